"""Files made with the generated bindings alone, so that our writer did not write what is read."""

from __future__ import annotations

import flatbuffers

from tflite_requant.flatbuffer._generated import schema as fb


def made(table: str, **fields):
    """An object of the object API with attributes set."""
    instance = getattr(fb, table + "T")()
    for name, value in fields.items():
        assert hasattr(instance, name), name
        setattr(instance, name, value)
    return instance


def packed(root) -> bytes:
    builder = flatbuffers.Builder(64)
    builder.Finish(root.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def quantization(**fields):
    return made("QuantizationParameters", **fields)


def rich():
    """One of everything: what a field-by-field comparison should not lose. Two subgraphs."""
    sparsity = made(
        "SparsityParameters", traversalOrder=[0, 1],
        dimMetadata=[
            made("DimensionMetadata", denseSize=2),
            made("DimensionMetadata", format=fb.DimensionType.SPARSE_CSR,
                 arraySegmentsType=fb.SparseIndexVector.Uint8Vector,
                 arraySegments=made("Uint8Vector", values=[0, 1, 2]),
                 arrayIndicesType=fb.SparseIndexVector.Int32Vector,
                 arrayIndices=made("Int32Vector", values=[0, 1])),
        ],
    )  # fmt: skip
    tensors = [
        made("Tensor", name=b"in", shape=[1, 4], shapeSignature=[-1, 4], type=fb.TensorType.UINT8,
             quantization=quantization(scale=[0.5], zeroPoint=[3], min=[-1.5], max=[126.0]),
             hasRank=True),
        made("Tensor", name=b"w\xff\xfe", shape=[3, 4], type=fb.TensorType.INT8, buffer=1,
             quantization=quantization(scale=[0.5, 0.25, 2.0], zeroPoint=[0, 0, 0])),
        made("Tensor", name=b"bias", shape=[3], type=fb.TensorType.INT32, buffer=2),
        made("Tensor", name=b"out", shape=[1, 3], type=fb.TensorType.UINT8,
             quantization=quantization(
                 scale=[1.5], zeroPoint=[128],
                 detailsType=fb.QuantizationDetails.CustomQuantization,
                 details=made("CustomQuantization", custom=[9, 8, 7]))),
        made("Tensor", name=b"twin", shape=[3, 4], type=fb.TensorType.INT8, buffer=1),
        made("Tensor", name=b"state", shape=[2], type=fb.TensorType.FLOAT32, isVariable=True,
             buffer=3),
        made("Tensor", name=b"sparse", shape=[2, 2], type=fb.TensorType.INT8, buffer=4,
             sparsity=sparsity),
        made("Tensor", name=b"bare"),
    ]  # fmt: skip
    dense = made(
        "Operator", opcodeIndex=1, inputs=[0, 1, -1], outputs=[3],
        builtinOptionsType=fb.BuiltinOptions.FullyConnectedOptions,
        builtinOptions=made("FullyConnectedOptions",
                            fusedActivationFunction=fb.ActivationFunctionType.RELU6,
                            keepNumDims=True),
        mutatingVariableInputs=[False, True, False], intermediates=[7],
    )  # fmt: skip
    custom = made(
        "Operator", opcodeIndex=2, inputs=[3], outputs=[], customOptions=[1, 0, 255],
        customOptionsFormat=fb.CustomOptionsFormat.FLEXBUFFERS, debugMetadataIndex=0,
    )  # fmt: skip
    newer = made("Operator", opcodeIndex=3, inputs=[3], outputs=None)
    main = made("SubGraph", name=b"main", tensors=tensors, inputs=[0], outputs=[3],
                operators=[dense, custom, newer])  # fmt: skip
    second = made(
        "SubGraph", tensors=[made("Tensor", name=b"x", shape=[])], inputs=[0], outputs=[0]
    )
    codes = [
        made("OperatorCode", deprecatedBuiltinCode=4, builtinCode=4, version=3),  # nobody uses it
        made("OperatorCode", deprecatedBuiltinCode=9, builtinCode=9, version=2),
        made("OperatorCode", deprecatedBuiltinCode=32, builtinCode=32, customCode=b"My\xe9Op"),
        made("OperatorCode", deprecatedBuiltinCode=127, builtinCode=5000),
    ]
    buffers = [
        made("Buffer"),
        made("Buffer", data=list(range(12))),
        made("Buffer", data=[1, 0, 0, 0] * 3),
        made("Buffer", data=[]),
        made("Buffer", data=[5, 6]),
        made("Buffer", data=list(b"1.14.0" + bytes(10))),
    ]
    signatures = [
        made("SignatureDef", signatureKey=b"serve", subgraphIndex=0,
             inputs=[made("TensorMap", name=b"a", tensorIndex=0)],
             outputs=[made("TensorMap", name=b"b", tensorIndex=3)]),
        made("SignatureDef", signatureKey=b"second", subgraphIndex=1, inputs=[], outputs=None),
    ]  # fmt: skip
    return made(
        "Model", version=3, description=b"rich", operatorCodes=codes, subgraphs=[main, second],
        buffers=buffers, metadata=[made("Metadata", name=b"min_runtime_version", buffer=5)],
        metadataBuffer=[5], signatureDefs=signatures,
    )  # fmt: skip
