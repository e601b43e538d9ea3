"""Laws of tensors, grids and whole models."""

from __future__ import annotations

from tflite_requant.catalog.spec import Law

LAWS = (
    # Whole operators and models
    Law(
        "fused-activation",
        "Kernels honour the fused activations that the catalog lists. TANH and SIGN_BIT are taken "
        "for NONE without a word, except by FULLY_CONNECTED, which refuses them; here they are "
        "always refused.",
        "LiteRT tflite/kernels/kernel_util.cc, CalculateActivationRangeQuantized; measured",
    ),
    Law(
        "clamp",
        "A tensor's stored range is a clamp: values beyond it saturate. A grid that reaches "
        "further needs the bound as a fused activation, or computes something else.",
        "TFLite 8-bit quantization specification; quantization-aware training relies on it",
    ),
    Law(
        "operator-version",
        "An operator's version is the first that knows its types and options, and no higher than "
        "both LiteRT resolvers accept; a resolver refuses the model otherwise.",
        "LiteRT tflite/converter/tools/versioning/op_version.cc, tflite/kernels/register_ref.cc, "
        "tflite/core/kernels/register.cc; measured",
    ),
    Law(
        "min-runtime-version",
        "The metadata entry min_runtime_version names the oldest release that runs every operator "
        "version of the model.",
        "LiteRT tflite/converter/tools/versioning/runtime_version.cc",
    ),
    Law(
        "operator-dtype",
        "The operator has no kernel for this activation type in both LiteRT resolvers.",
        "Measured: one model for each operator and type.",
    ),
    Law(
        "operator-unknown",
        "The catalog has no entry for an operator that touches quantized tensors, so nothing about "
        "it can be changed safely.",
        "This catalog",
    ),
    # Every tensor
    Law(
        "scale-positive",
        "A scale is a finite float32 above 0. Zero, negative and non-finite scales have no "
        "meaning, and some kernels divide by them.",
        "TFLite 8-bit quantization specification",
    ),
    Law(
        "zero-point-range",
        "A zero point is a value of its tensor's own type, so that real 0 has an exact integer.",
        "TFLite 8-bit quantization specification",
    ),
    Law(
        "int16-symmetric",
        "The zero point of an int16 activation is 0; nearly all int16 kernels refuse another one "
        "when they are prepared.",
        "TFLite 16x8 quantization specification; LiteRT tflite/kernels/",
    ),
    Law(
        "quantized-dimension",
        "A tensor's quantized_dimension is one that it has, also where it has a single scale: "
        "LiteRT does not load a model otherwise. With a single scale it is 0: XNNPACK does not "
        "take an operator with another value, and what it does not take runs on different kernels.",
        "LiteRT tflite/core/interpreter_builder.cc, ParseQuantization; measured, the second on a "
        "uint8 DEPTHWISE_CONV_2D whose weights had dimension 3.",
    ),
    Law(
        "pinned",
        "The integers of this operand mean something by themselves: CAST converts them without a "
        "look at any grid. Type and quantization stay as they are in the source.",
        "LiteRT tflite/kernels/cast.cc",
    ),
    # Grids that belong together
    Law(
        "tie",
        "Operands that carry the same tie share scale and zero point. Where they do not, the "
        "kernel still runs or refuses, but its integers no longer mean what the grids say.",
        "LiteRT tflite/kernels/",
    ),
    Law(
        "tie-enforced",
        "The builtin kernel compares scale and zero point of its tied operands and refuses the "
        "model where they differ: at preparation, REDUCE_MAX and REDUCE_MIN at the first run.",
        "LiteRT tflite/kernels/expand_dims.cc, pack.cc, unpack.cc, space_to_batch_nd.cc, "
        "batch_to_space_nd.cc, mirror_pad.cc, reduce.cc; measured",
    ),
    Law(
        "tie-xnnpack",
        "The builtin kernel takes 8-bit operands on unequal grids without a word, but the XNNPACK "
        "delegate then claims the operator and fails: the whole model cannot be allocated.",
        "Measured under the default resolver.",
    ),
    Law(
        "constant-grid-enforced",
        "PADV2 requires that its constant has the output's scale and zero point, since it copies "
        "the constant's integer; it refuses at the first run.",
        "LiteRT tflite/kernels/pad.cc; measured",
    ),
    Law(
        "concatenation-grids",
        "uint8 CONCATENATION rescales inputs of other grids in float32. int8 refuses them at "
        "preparation. int16 requires zero points of 0 and copies other scales as if they were "
        "equal.",
        "LiteRT tflite/kernels/concatenation.cc; measured",
    ),
    Law(
        "raw-copy",
        "The kernel copies integers and never looks at a grid; equal grids before and after make "
        "the copy a copy of real values too.",
        "LiteRT tflite/kernels/; measured",
    ),
    Law(
        "raw-order",
        "The kernel compares stored integers: the larger integer is the larger number only where "
        "the operands share one grid.",
        "LiteRT tflite/kernels/maximum_minimum.cc, reduce.cc, pooling.cc; measured",
    ),
    Law(
        "pool-raw",
        "Pooling averages or compares stored integers and ignores both grids; unequal ones are "
        "caught by a debug check only. The mean of 8-bit values rounds halves up for uint8 and "
        "away from 0 for int8, so moving a zero point may move such a tie by one.",
        "LiteRT tflite/kernels/pooling.cc; measured",
    ),
    Law(
        "pads-real-zero",
        "What is added at the border is the output's zero point, which is real 0; a tensor whose "
        "integers were moved against its grid would be padded with another number.",
        "LiteRT tflite/kernels/pad.cc, space_to_batch_nd.cc; measured",
    ),
    # Prescribed results
    Law(
        "fixed-output",
        "TFLite prescribes scale and zero point of this result for each type. Not every kernel "
        "checks them, but reference kernels assume some of them and other runtimes and "
        "accelerators rely on all.",
        "TFLite 8-bit quantization specification; LiteRT tflite/kernels/activations.cc, l2norm.cc",
    ),
    Law(
        "fixed-output-checked",
        "Both scale and zero point of this result are compared with the prescribed ones, and the "
        "model is refused where they differ.",
        "LiteRT tflite/kernels/activations.cc, l2norm.cc; measured",
    ),
    Law(
        "logistic-scale-checked",
        "LOGISTIC refuses every 8-bit output scale but 1/256, yet takes any zero point and uses "
        "it; int16 must have 1/32768 and 0.",
        "LiteRT tflite/kernels/activations.cc; measured",
    ),
    Law(
        "int16-table-input",
        "int16 LOGISTIC and TANH read a 256-entry table. An input scale of 2^-12 (TANH also 2^-11) "
        "takes a path of its own, other scales a general one: results differ by up to one step.",
        "LiteRT tflite/kernels/activations.cc; measured",
    ),
    Law(
        "table-lookup",
        "Every input integer has its result computed once, in float32, and looked up afterwards; "
        "int16 interpolates between the 513 entries of a table. Results depend on the C library's "
        "expf, logf, tanhf.",
        "LiteRT tflite/kernels/activations.cc, elementwise.cc; measured",
    ),
    Law(
        "positive-argument",
        "SQRT and RSQRT stop the run at a negative real input, RSQRT at 0 as well; LOG gives its "
        "lowest output for inputs of 0 and below.",
        "LiteRT tflite/kernels/elementwise.cc; measured",
    ),
)
