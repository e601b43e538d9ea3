"""Laws that schemes make, and those that a model must keep before any scheme can be applied."""

from __future__ import annotations

from tflite_requant.catalog.spec import Law

LAWS = (
    Law(
        "activation-dtype",
        "Activations are of the type that the scheme names.",
        "The scheme, [activations] dtype",
    ),
    Law(
        "activation-zero-point",
        "Activations have the zero point that the scheme names.",
        "The scheme, [activations] zero_point",
    ),
    Law(
        "activation-scale",
        "Activation scales are of the kind that the scheme names; a power of two is 2**k exactly.",
        "The scheme, [activations] scale",
    ),
    Law(
        "activation-granularity",
        "An activation has one scale and one zero point; no kernel reads more.",
        "TFLite 8-bit quantization specification",
    ),
    Law(
        "weights-dtype",
        "Weights are of the type that the scheme names.",
        "The scheme, [weights] dtype",
    ),
    Law(
        "weights-range",
        "Stored weights lie in the range that the scheme names.",
        "The scheme, [weights] range",
    ),
    Law(
        "weights-zero-point",
        "Weights have the zero point that the scheme names.",
        "The scheme, [weights] zero_point",
    ),
    Law(
        "weights-scale",
        "Weight scales are of the kind that the scheme names; a power of two is 2**k exactly.",
        "The scheme, [weights] scale",
    ),
    Law(
        "weights-granularity",
        "Weights have as many scales as the scheme permits: one, or one per output channel.",
        "The scheme, [weights] granularity",
    ),
    Law(
        "weights-sum",
        "The stored weights of an output channel, zero point removed, add up to no more than the "
        "scheme permits, as absolute values.",
        "The scheme, [weights] sum",
    ),
    Law(
        "accumulator-width",
        "The largest and least sums that input range, weights and bias can reach fit the "
        "accumulator, in any order of adding. Proven from the stored weights: each is taken times "
        "the end of the input's range that lifts the sum, or lowers it. Where the accumulator "
        "saturates, this is a warning.",
        "The scheme, [accumulator] bits, saturates",
    ),
    Law(
        "rescale-multiplier",
        "Where the output stage only shifts, and where the scheme asks for it, input scale times "
        "weights scale over output scale is a power of two, as closely as float32 scales can say; "
        "so is the ratio of each operand's scale to the output's of ADD and SUB.",
        "The scheme, [rescale] multiplier_bits, [activations] scale",
    ),
    Law(
        "rescale-shift",
        "The shift of every multiplier lies in what the hardware's output stage can do.",
        "The scheme, [rescale] shift",
    ),
    Law(
        "bias-position",
        "A bias with a position of its own is an integer of few bits times one power of two for "
        "the whole operator; the file stores the product.",
        "The scheme, [bias] own_scale, shift",
    ),
    Law(
        "operator-allowed",
        "The scheme lists the operators that the hardware runs; others are refused.",
        "The scheme, [operators] allow",
    ),
    Law(
        "mixed-types",
        "The operands and outputs of one operator are of one 8-bit type. Runtimes have no kernel "
        "for int8 beside uint8; only the arithmetic profile \"extended\" computes them.",
        "TFLite 8-bit quantization specification; the arithmetic profiles of this package",
    ),
    Law(
        "operand-types",
        "Data, weights and bias of one operator are of types that a runtime takes together.",
        "LiteRT tflite/kernels, the Prepare function of each operator with weights",
    ),
    Law(
        "override",
        "An override of the scheme is meant by an operator of the model; one that is not changes "
        "nothing.",
        "The scheme, [[override]]",
    ),
    Law(
        "power-of-two",
        "An arithmetic profile that only shifts needs powers of two wherever an accumulator is "
        "multiplied.",
        "The arithmetic profiles of this package",
    ),
    Law(
        "scales-apart",
        "What an accumulator is multiplied by is below 2^18, below 2^14 where accumulators of "
        "int16 have 64 bits, and of RSQRT not below 2^-10; beyond, kernels leave their words, each "
        "in its own way. MUL is verified at any.",
        "Measured: tests/kernels/test_far_scales.py",
    ),
    Law(
        "constant-weights",
        "Weights are constants with a scale; computed weights have no data to requantize.",
        "This package",
    ),
    Law(
        "constant-size",
        "A constant's buffer has exactly the bytes that its type and shape ask for.",
        "LiteRT tflite/core/subgraph.cc",
    ),
    Law(
        "unknown-field",
        "A file may store fields that are newer than the schema known here; they cannot be written "
        "back.",
        "TFLite file format",
    ),
    Law(
        "index",
        "Every index in the file points at something that exists.",
        "TFLite file format",
    ),
)
