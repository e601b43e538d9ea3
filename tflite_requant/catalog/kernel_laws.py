"""Laws of single kernels: constants of weighted operators, and arithmetic with limits."""

from __future__ import annotations

from tflite_requant.catalog.spec import Law

LAWS = (
    # Constants of weighted operators
    Law(
        "bias-scale",
        "A bias has, for each output channel, the scale s_in * s_w; kernels add its integers to "
        "the accumulator and never read its own scale. Where a source's differ, requantizing takes "
        "its integers for what their own scale says, and warns.",
        "TFLite 8-bit quantization specification",
    ),
    Law(
        "bias-scale-checked",
        "uint8 CONV_2D, DEPTHWISE_CONV_2D and TRANSPOSE_CONV, and FULLY_CONNECTED with one weight "
        "scale, refuse a bias with |s_in * s_w - s_bias| / s_out above 0.02.",
        "LiteRT tflite/kernels/kernel_util.cc, GetQuantizedConvolutionMultipler; measured",
    ),
    Law(
        "bias-zero-point",
        "The zero point of a bias is 0.",
        "TFLite 8-bit quantization specification; LiteRT tflite/kernels/conv.cc",
    ),
    Law(
        "bias-width",
        "Every bias integer fits the type that holds it, and the narrower width a scheme asks for. "
        "Channels with tiny weight scales ask for huge integers.",
        "TFLite 8-bit quantization specification",
    ),
    Law(
        "bias-mandatory",
        "The quantized kernels need a bias operand; a missing one is written as zeros. CONV_2D "
        "refuses to be prepared without, DEPTHWISE_CONV_2D is accepted and then ends the process "
        "with a memory fault under the default resolver.",
        "LiteRT tflite/kernels/conv.cc, depthwise_conv.cc; measured",
    ),
    Law(
        "bias-int16",
        "With int16 activations the bias is int64, or int32 where the option quantized_bias_type "
        "says INT32.",
        "LiteRT tflite/kernels/conv.cc, fully_connected.cc, transpose_conv.cc; measured",
    ),
    Law(
        "bias-int64",
        "With int16 activations the bias is int64; there is no form with int32.",
        "LiteRT tflite/kernels/depthwise_conv.cc; measured",
    ),
    Law(
        "weight-zero-point",
        "The zero point of int8 weights is 0. CONV_2D refuses another one, DEPTHWISE_CONV_2D, "
        "TRANSPOSE_CONV and FULLY_CONNECTED with several scales silently ignore it, "
        "FULLY_CONNECTED with one scale honours it; uint8 weights may have any.",
        "TFLite 8-bit quantization specification; measured",
    ),
    Law(
        "weight-axis",
        "Scales per channel follow the output channel axis, and int8 weights only: uint8 weights "
        "have one scale.",
        "TFLite 8-bit quantization specification; LiteRT tflite/kernels/kernel_util.cc",
    ),
    Law(
        "multiplier-limit",
        "With 8-bit activations s_in * s_w / s_out stays below 256. At 256 and above XNNPACK fails "
        "the allocation of the whole model, without falling back to a builtin kernel; a "
        "BATCH_MATMUL with constant y ends the process.",
        "Measured under the default resolver, on both sides of the limit.",
    ),
    Law(
        "accumulator-wrap",
        "Sums are formed in 32 bits and wrap, in all but the kernels with an int64 bias; the "
        "weights and the input's range must prove that they cannot get there.",
        "LiteRT tflite/kernels/internal/reference; measured",
    ),
    Law(
        "transpose-conv-taps",
        "TRANSPOSE_CONV scatters: how many taps meet in an output depends on its phase and its "
        "distance from the border, whatever the padding. An offset of the input is therefore not "
        "one number that a bias could take.",
        "LiteRT tflite/kernels/internal/reference/reference_ops.h",
    ),
    Law(
        "matmul-constant",
        "Either operand of BATCH_MATMUL may be a constant, with a grid per tensor. int16 needs "
        "zero points of 0; beside an int16 x, y may be int16 or int8. XNNPACK takes int8 only "
        "where y's zero point is 0.",
        "LiteRT tflite/kernels/batch_matmul.cc; measured",
    ),
    # Arithmetic with limits
    Law(
        "add-headroom",
        "In 8-bit ADD the output scale exceeds 2^-19 of the larger input scale, in int16 ADD "
        "2^-14. At and below that bound a check ends the process, in every resolver.",
        "LiteRT tflite/kernels/add.cc, QuantizeMultiplierSmallerThanOneExp; measured on both sides "
        "of both bounds",
    ),
    Law(
        "add-pot-int16",
        "int16 ADD and SUB with the option pot_scale_int16 set (its default) and three "
        "power-of-two scales take a path of shifts alone; there one input's scale must equal the "
        "output's, the other not be larger, and an ADD that broadcasts ends the process. Writing "
        "the option as false takes the general path.",
        "LiteRT tflite/kernels/add.cc, sub.cc; measured",
    ),
    Law(
        "sum-signed-defect",
        "The reference SUM reads int8 and int16 data as if they were uint8; its results are wrong, "
        "while the default resolver's are right.",
        "LiteRT tflite/kernels/reduce.cc; measured",
    ),
    Law(
        "comparison-collapse",
        "8-bit comparisons, and int16 EQUAL and NOT_EQUAL, first round (q - z) * 256 * scale to an "
        "integer: where a scale is far below 1/256, different numbers compare as equal.",
        "LiteRT tflite/kernels/comparisons.cc; measured",
    ),
    Law(
        "comparison-int16",
        "int16 LESS, LESS_EQUAL, GREATER and GREATER_EQUAL compare stored integers, so both inputs "
        "need one grid.",
        "LiteRT tflite/kernels/comparisons.cc; measured",
    ),
    Law(
        "resize-arithmetic",
        "uint8 RESIZE_BILINEAR interpolates in float32, int8 and int16 in 10-bit fixed point with "
        "positions of their own: the same picture gives different integers in many places.",
        "LiteRT tflite/kernels/internal/reference/resize_bilinear.h; measured",
    ),
    Law(
        "softmax-sum",
        "The reference 8-bit SOFTMAX ends the process where the sum of exponentials reaches 512, "
        "as it does for more than 511 nearly equal logits.",
        "LiteRT tflite/kernels/internal/reference/softmax.h; measured",
    ),
    Law(
        "softmax-beta",
        "beta * s_in * 2^26 exceeds 1 in 8-bit SOFTMAX. A beta of 0, as options left empty have "
        "it, ends the process.",
        "LiteRT tflite/kernels/activations.cc, PreprocessSoftmaxScaling; measured",
    ),
    Law(
        "hard-swish-range",
        "s_in / s_out is below 128 in HARD_SWISH; the kernel cannot scale up and refuses.",
        "LiteRT tflite/kernels/activations.cc, HardSwishPrepare; measured on both sides of the "
        "limit",
    ),
    Law(
        "prelu-alpha",
        "The slope of PRELU is an activation with a grid of its own, as a rule a constant. Beside "
        "an int16 input the kernel reads it as int8, whatever the file says.",
        "LiteRT tflite/kernels/activations.cc, PreluEval; measured",
    ),
    Law(
        "quantize-pairs",
        "QUANTIZE converts float32, uint8, int8 and int16 into each of the three integer types, "
        "except int16 into uint8.",
        "LiteRT tflite/kernels/quantize.cc; measured",
    ),
    Law(
        "quantize-overflow",
        "QUANTIZE of a float beyond 2^31 steps gives the type's lowest value in builtin kernels "
        "and the highest under XNNPACK.",
        "Measured.",
    ),
    Law(
        "detection-types",
        "TFLite_Detection_PostProcess reads uint8 or float32, not int8; box encodings and anchors "
        "have one type. Its outputs are float32.",
        "LiteRT tflite/kernels/detection_postprocess.cc; measured",
    ),
    Law(
        "reference-missing",
        "LiteRT's reference resolver does not have this operator; the default one does.",
        "LiteRT tflite/kernels/register_ref.cc; measured",
    ),
)
