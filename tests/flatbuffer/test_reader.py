"""What the reader makes of a file, and how it refuses a damaged one."""

import numpy as np
import pytest
from raw_models import made, packed, quantization, rich

from tflite_requant.errors import FormatError
from tflite_requant.flatbuffer import read
from tflite_requant.flatbuffer._generated import schema as fb
from tflite_requant.model import QParams


@pytest.fixture(scope="module")
def model():
    return read(packed(rich()))


def test_the_tensors(model):
    tensors = model.main.tensors
    assert [t.name for t in tensors] == [
        "in", "w\udcff\udcfe", "bias", "out", "twin", "state", "sparse", "bare",
    ]  # fmt: skip
    assert tensors[0].shape_signature == (-1, 4)
    assert tensors[0].qparams == QParams((0.5,), (3,))
    assert tensors[1].qparams == QParams((0.5, 0.25, 2.0), (0, 0, 0), 0)
    assert tensors[1].array().tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert tensors[2].array().tolist() == [1, 1, 1]
    assert tensors[2].qparams is None
    assert tensors[7].shape == ()
    assert [t.is_constant for t in tensors] == [False, True, True, False, True, False, True, False]


def test_a_variable_with_an_empty_buffer_has_no_data(model):
    assert model.main.tensors[5].is_variable
    assert model.main.tensors[5].data is None


def test_the_operators(model):
    dense, custom, newer = model.main.operators
    assert (dense.opcode, dense.version, dense.inputs) == ("FULLY_CONNECTED", 2, (0, 1, -1))
    assert dense.option("fused_activation_function") == "RELU6"
    assert dense.input(2) == dense.input(3) == -1
    assert (custom.opcode, custom.name) == ("CUSTOM", "My\udce9Op")
    assert custom.rest["custom_options"] == b"\x01\x00\xff"
    assert newer.opcode == "BUILTIN_5000"


def test_the_borders(model):
    assert [s.name for s in model.subgraphs] == ["main", ""]
    assert [(s.key, s.subgraph, s.inputs, s.outputs) for s in model.signatures] == [
        ("serve", 0, (("a", 0),), (("b", 3),)),
        ("second", 1, (), ()),
    ]
    assert model.metadata == (("min_runtime_version", 5),)
    assert model.metadata_bytes("min_runtime_version") == b"1.14.0" + bytes(10)
    assert model.metadata_bytes("nothing") is None
    assert model.trailing == b""


def test_what_was_read_is_given_back_untouched():
    data = packed(rich()) + b"appended"
    assert read(data).to_bytes() == data
    assert read(data).trailing == b"appended"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({}, None, id="no scale"),
        pytest.param({"scale": []}, None, id="empty scale"),
        pytest.param({"min": [0.0], "max": [1.0]}, None, id="range only"),
        pytest.param({"scale": [2.0]}, QParams((2.0,), (0,)), id="no zero point"),
        pytest.param({"scale": [2.0], "zeroPoint": [7], "quantizedDimension": 3},
                     QParams((2.0,), (7,)), id="per tensor with an axis"),
        pytest.param({"scale": [2.0, 1.0], "zeroPoint": [7], "quantizedDimension": 1},
                     QParams((2.0, 1.0), (7, 7), 1), id="one zero point for all"),
        pytest.param({"scale": [2.0, 1.0, 4.0], "zeroPoint": [7, 8]},
                     QParams((2.0, 1.0, 4.0), (7, 8, 0)), id="too few zero points"),
        pytest.param({"scale": [2.0], "zeroPoint": [7, 8]},
                     QParams((2.0,), (7,)), id="too many zero points"),
    ],
)  # fmt: skip
def test_quantization(fields, expected):
    tensor = made("Tensor", shape=[2], type=fb.TensorType.INT8, quantization=quantization(**fields))
    root = made("Model", version=3, subgraphs=[made("SubGraph", tensors=[tensor])])
    assert read(packed(root)).main.tensors[0].qparams == expected


def broken(change):
    root = rich()
    change(root)
    return packed(root)


def with_large_number(vector, position, value):
    vector[position] = value


DANGLING = {
    "operator code": (lambda m: setattr(m.subgraphs[0].operators[0], "opcodeIndex", 4),
                      "subgraph 0 op 0: [index] operator code 4; need less than 4"),
    "input": (lambda m: with_large_number(m.subgraphs[0].operators[0].inputs, 0, 8),
              "subgraph 0 op 0: [index] input tensor 8; need less than 8"),
    "negative input": (lambda m: with_large_number(m.subgraphs[0].operators[0].inputs, 0, -2),
                       "input tensor -2"),
    "output": (lambda m: with_large_number(m.subgraphs[0].operators[0].outputs, 0, 99),
               "output tensor 99"),
    "intermediate": (lambda m: with_large_number(m.subgraphs[0].operators[0].intermediates, 0, 99),
                     "intermediate tensor 99"),
    "graph input": (lambda m: setattr(m.subgraphs[1], "inputs", [1]),
                    "subgraph 1: [index] input tensor 1; need less than 1"),
    "absent graph output": (lambda m: setattr(m.subgraphs[0], "outputs", [-1]), "output tensor -1"),
    "buffer": (lambda m: setattr(m.subgraphs[0].tensors[0], "buffer", 6),
               "subgraph 0 tensor 0: [index] buffer 6; need less than 6"),
    "signature subgraph": (lambda m: setattr(m.signatureDefs[0], "subgraphIndex", 2),
                           "signature 0: [index] subgraph 2; need less than 2"),
    "signature tensor": (lambda m: setattr(m.signatureDefs[0].inputs[0], "tensorIndex", 8),
                         "signature 0: [index] tensor 8; need less than 8"),
    "metadata": (lambda m: setattr(m.metadata[0], "buffer", 6),
                 "metadata min_runtime_version: [index] buffer 6; need less than 6"),
    "no subgraph": (lambda m: (setattr(m, "subgraphs", None), setattr(m, "signatureDefs", None)),
                    "no subgraph"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "line"), DANGLING.values(), ids=DANGLING)
def test_an_index_that_leads_nowhere(change, line):
    with pytest.raises(FormatError) as caught:
        read(broken(change))
    assert len(caught.value.findings) == 1
    assert line in caught.value.findings[0].line()
    assert "\n" not in str(caught.value)


def test_all_dangling_indices_at_once():
    def change(root):
        for name in ("operator code", "output", "buffer", "metadata", "signature tensor"):
            DANGLING[name][0](root)

    with pytest.raises(FormatError, match="damaged: 5 findings") as caught:
        read(broken(change))
    assert len(caught.value.findings) == 5


@pytest.mark.parametrize(
    ("table", "options", "name"),
    [
        pytest.param("IfOptions", {"thenSubgraphIndex": 1, "elseSubgraphIndex": 2}, "If", id="if"),
        pytest.param("WhileOptions", {"condSubgraphIndex": 0, "bodySubgraphIndex": 2}, "While",
                     id="while"),
        pytest.param("CallOnceOptions", {"initSubgraphIndex": 2}, "CallOnce", id="call once"),
        pytest.param("CallOptions", {"subgraph": 2}, "Call", id="call"),
    ],
)  # fmt: skip
def test_an_operator_that_runs_a_subgraph_which_is_not_there(table, options, name):
    def change(root):
        op = root.subgraphs[0].operators[0]
        op.builtinOptionsType = getattr(fb.BuiltinOptions, table)
        op.builtinOptions = made(table, **options)

    with pytest.raises(FormatError, match=r"op 0: \[index\] .*subgraph.* 2; need less than 2"):
        read(broken(change))


class TestBytesBehindTheFlatbuffer:
    """Buffers and custom options that are stored at an offset of the file."""

    BLOB = bytes(range(200, 240))

    def file(self, offset_shift=0) -> bytes:
        def root(offset):
            tensor = made("Tensor", name=b"w", shape=[40], type=fb.TensorType.UINT8, buffer=1)
            op = made("Operator", opcodeIndex=0, inputs=[0], outputs=[0],
                      largeCustomOptionsOffset=offset + 8, largeCustomOptionsSize=5)  # fmt: skip
            code = made("OperatorCode", deprecatedBuiltinCode=32, builtinCode=32, customCode=b"big")
            graph = made("SubGraph", tensors=[tensor], operators=[op], inputs=[], outputs=[0])
            buffers = [made("Buffer"), made("Buffer", offset=offset, size=40)]
            return made(
                "Model", version=3, operatorCodes=[code], subgraphs=[graph], buffers=buffers
            )

        length = len(packed(root(1000)))
        start = length + -length % 16
        head = packed(root(start + offset_shift))
        assert len(head) == length
        return head + bytes(start - length) + self.BLOB

    def test_they_are_read(self):
        model = read(self.file() + b"tail")
        assert model.buffers[1].external
        assert model.main.tensors[0].array().tolist() == list(self.BLOB)
        assert model.main.operators[0].rest["large_custom_options"] == self.BLOB[8:13]
        assert model.trailing == b"tail"

    def test_beyond_the_end(self):
        with pytest.raises(FormatError, match="truncated: data of Buffer"):
            read(self.file(offset_shift=1))

    def test_numbers_that_would_overflow_a_slice(self):
        with pytest.raises(FormatError, match="truncated"):
            read(self.file(offset_shift=2**62))


def test_int4_constants_are_unpacked():
    tensor = made("Tensor", shape=[5], type=fb.TensorType.INT4, buffer=1)
    root = made(
        "Model", version=3, subgraphs=[made("SubGraph", tensors=[tensor])],
        buffers=[made("Buffer"), made("Buffer", data=[0x21, 0x87, 0x0F])],
    )  # fmt: skip
    array = read(packed(root)).main.tensors[0].array()
    assert array.dtype == np.int8
    assert array.tolist() == [1, 2, 7, -8, -1]
