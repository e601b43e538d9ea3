"""The fast path: verified rescaling, fused tiles, prepared call lists.

An accelerator only: every number it makes is one that the plain kernels make. Matrix products run
in the BLAS that NumPy comes with; its threads gain nothing at batch 1 and lose much on a busy
machine, so set OPENBLAS_NUM_THREADS=1 before NumPy is imported.
"""

from tflite_requant.engine.accelerator import Accelerator
from tflite_requant.engine.plan import plan
from tflite_requant.engine.program import Program

__all__ = ["Accelerator", "Program", "plan"]
