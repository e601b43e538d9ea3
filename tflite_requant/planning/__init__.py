"""New quantization for every activation: ties, fixed outputs, the scheme's grid, clamps."""

from tflite_requant.planning.plan import Plan, plan

__all__ = ["Plan", "plan"]
