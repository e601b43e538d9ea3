"""Is a model legal under a scheme? Every finding, not the first.

Shares no code with the rules that write models beyond the catalog and plain numbers: what a rule
gets wrong, this finds. The report of a requantization takes its exceptions from here.
"""

from __future__ import annotations

from tflite_requant.check.dimensions import misplaced
from tflite_requant.check.overrides import idle
from tflite_requant.check.subgraph import Checker
from tflite_requant.errors import Finding
from tflite_requant.memory import memory_of
from tflite_requant.model import Model, require_model
from tflite_requant.planning.domains import called_subgraphs
from tflite_requant.schemes import Scheme

__all__ = ["check"]


def check(model: Model, scheme: Scheme, keep_unknown: bool | None = None) -> list[Finding]:
    """All findings, in execution order, behind them those of whole subgraphs and of the scheme.

    severity "error": not legal; "exception": what the scheme asks, but TFLite does not permit or
    somebody asked to leave as it was, so that it may stand; "warning": legal, but worth a look.
    keep_unknown: operators outside the catalog may stand; None: if that was asked for when the
    model was made, as its metadata tell.
    """
    require_model(model)
    if keep_unknown is None:
        keep_unknown = bool((memory_of(model) or {}).get("keep_unknown"))
    called = called_subgraphs(model)
    judged = [s for s in model.subgraphs if s.index not in called]
    findings = [f for s in judged for f in Checker(s, scheme, keep_unknown).run()]
    findings += [f for s in judged for f in misplaced(s)]
    return [*findings, *idle(scheme, judged)]
