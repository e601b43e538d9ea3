"""From plans to a new model: constants rewritten, QUANTIZE put where grids meet, versions set.

Reads the frozen source and the plans; collects everything in one `Edit`; commits once. `Rewriter`
goes through the operators; what it does to each is in a module of its own: `constants`, `weights`,
`bridges`, `frames`, `clamps`, `options`.
"""

from tflite_requant.rewrite.desk import Desk, SubgraphRewrite
from tflite_requant.rewrite.rewriter import Rewriter
from tflite_requant.rewrite.weights import Memory

__all__ = ["Desk", "Memory", "Rewriter", "SubgraphRewrite"]
