"""What every key of a scheme alone permits, but together has no form in TFLite, or no effect."""

from __future__ import annotations

from collections.abc import Iterator

from tflite_requant.schemes.scheme import ANY, MIXED, POWER_OF_TWO, RATIO, BiasLaw, Scheme

RANGES = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}
BIAS_BITS = {"int32": 32, "int64": 64}
UNSIGNED_MIDDLE = 128

Contradiction = tuple[str, str, str]  # section, what was found, what is needed


def contradictions(scheme: Scheme) -> Iterator[Contradiction]:
    """Every one of them; needs all sections of the scheme to be sound by themselves."""
    yield from _activations(scheme)
    yield from _weights(scheme)
    yield from _bias(scheme)
    yield from _shifts(scheme)


def idle(scheme: Scheme) -> Iterator[tuple[str, str, str, str]]:
    """Keys that change nothing beside the others: section, key, what was found, what is needed."""
    bias, operators = scheme.bias, scheme.operators
    if bias.shift != BiasLaw().shift and not bias.own_scale:
        found = f"shift = {list(bias.shift)} has no effect without own_scale"
        yield "bias", "shift", found, "own_scale = true, or no shift"
    if operators.cpu and "*" in operators.allow and operators.runtime_fixed == "allow":
        found = 'cpu has no effect where everything is allowed, and runtime_fixed = "allow"'
        need = 'runtime_fixed = "refuse", or a list of what is allowed, or no cpu'
        yield "operators", "cpu", found, need


def _shifts(scheme: Scheme) -> Iterator[Contradiction]:
    scales = {"activations": scheme.activations.scale, "weights": scheme.weights.scale}
    others = {name: scale for name, scale in scales.items() if scale != POWER_OF_TWO}
    if not (scheme.rescale.shifts_only and others) or scales["activations"] == RATIO:
        return
    found = " and ".join(f"[{name}] scale = {scale!r}" for name, scale in others.items())
    need = " and ".join(f"[{name}] scale = {POWER_OF_TWO!r}" for name in others)
    if others.keys() == scales.keys():
        need += f", or [activations] scale = {RATIO!r}"
    yield "rescale", f"multiplier_bits = 0 with {found}", need


def _activations(scheme: Scheme) -> Iterator[Contradiction]:
    law = scheme.activations
    for zero in law.zero_points or ():
        least = min(RANGES[dtype][0] for dtype in law.dtypes)
        greatest = max(RANGES[dtype][1] for dtype in law.dtypes)
        if not least <= zero <= greatest:
            yield "activations", f"zero_point = {zero} for {law.dtype}", f"{least} to {greatest}"
    if law.dtype in ("int16", MIXED) and law.zero_point != 0:
        yield "activations", f"zero_point = {law.zero_point!r} for {law.dtype}", "zero_point = 0"


def _weights(scheme: Scheme) -> Iterator[Contradiction]:
    law, activations = scheme.weights, scheme.activations
    least, greatest = RANGES[law.dtype]
    low, high = law.range
    if low < least or high > greatest:
        found = f"range {[low, high]} for {law.dtype}"
        yield "weights", found, f"a range within {[least, greatest]}"
    elif law.zero_point != ANY and not low < law.zero_point < high:
        found = f"range {[low, high]} with zero_point = {law.zero_point!r}"
        yield "weights", found, "integers below and above the zero point, for weights of both signs"
    if (activations.dtype == "uint8") != (law.dtype == "uint8"):
        found = f"dtype {law.dtype} with {activations.dtype} activations"
        need = "uint8 weights with uint8 activations, int8 weights with all others"
        yield "weights", found, need
    if law.dtype == "uint8" and law.granularity == "per-axis":
        need = 'granularity = "per-tensor" (uint8 kernels know no other)'
        yield "weights", "per-axis uint8", need
    if law.dtype == "int8" and law.zero_point != 0:
        yield "weights", f"zero_point = {law.zero_point!r} for int8", "zero_point = 0"
    if law.scale == POWER_OF_TWO and activations.scale == RATIO:
        need = 'scale = "any": the ratio decides what weights scales are'
        yield "weights", f"scale = {law.scale!r} with {RATIO!r} activations", need


def _bias(scheme: Scheme) -> Iterator[Contradiction]:
    law, dtype = scheme.bias, scheme.activations.dtype
    if law.dtype == "int64" and dtype != "int16":
        yield "bias", f"dtype int64 with {dtype} activations", "int32"
    if law.bits > BIAS_BITS[law.dtype]:
        need = "no more bits than the dtype has"
        yield "bias", f"bits = {law.bits} for {law.dtype}", need
