"""Which operators, and in which arithmetic."""

from __future__ import annotations

import re

from tflite_requant.catalog.arithmetic import arithmetic_for
from tflite_requant.errors import UsageError
from tflite_requant.golden.request import Request
from tflite_requant.memory import DEFAULT_ARITHMETIC, arithmetic_of
from tflite_requant.model import Model, Operator


def chosen_operators(model: Model, layers: tuple[str, ...]) -> list[Operator]:
    """Operators of the main subgraph that any of `layers` names, in execution order.

    A word of digits is an index, A-B a range of indices, an operator's type all of that type,
    anything else a regular expression that is searched in the name of the first output.
    Raises UsageError for a word that chooses nothing.
    """
    operators = model.main.operators
    if not layers:
        return list(operators)
    chosen = {op.index for word in layers for op in _named(model, word)}
    return [op for op in operators if op.index in chosen]


def _named(model: Model, word: str) -> list[Operator]:
    operators = model.main.operators
    last = len(operators) - 1
    numbers = re.fullmatch(r"(\d+)(?:-(\d+))?", word, re.ASCII)
    if numbers:
        first = int(numbers[1])
        end = int(numbers[2] or first)
        if first > end:
            raise UsageError(f"--layers {word}: the range is reversed; say {end}-{first}")
        if end > last:
            raise UsageError(f"--layers {word}: the model has operators 0 to {last}")
        return list(operators[first : end + 1])
    typed = [op for op in operators if op.name == word]
    if typed:
        return typed
    try:
        pattern = re.compile(word)
    except re.error as error:
        raise UsageError(f"--layers {word}: no regular expression: {error}") from None
    found = [op for op in operators if pattern.search(_output_name(model, op))]
    if not found:
        raise UsageError(
            f"--layers {word}: no operator of that type, and none whose output's name matches; "
            "`inspect -v` lists them"
        )
    return found


def _output_name(model: Model, op: Operator) -> str:
    return next((model.main.tensors[t].name for t in op.outputs if t >= 0), "")


class OtherArithmetic(UsageError):
    """A model was made for another arithmetic than is asked for."""


def profiles(model: Model, request: Request) -> tuple[str, str | None]:
    """(profile of the vectors, profile that the model's metadata names or None).

    Raises OtherArithmetic where the request contradicts the model and does not insist.
    """
    of_model = arithmetic_of(model)
    asked = request.arithmetic or of_model or DEFAULT_ARITHMETIC
    arithmetic_for(asked, "")
    if of_model and asked != of_model and not request.force:
        raise OtherArithmetic(
            f"arithmetic {asked} contradicts the model, which was made for {of_model}; "
            "--force-arithmetic writes it all the same, and says so"
        )
    return asked, of_model
