"""The HTML page: whole in itself, well formed, the same bytes every time."""

import html
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

from tflite_requant.cli import main  # noqa: E402
from tflite_requant.errors import Finding  # noqa: E402
from tflite_requant.outcome import OperatorOutcome, PortOutcome, Report, TensorOutcome  # noqa: E402
from tflite_requant.report.html.page import cards, page, tensor_name  # noqa: E402
from tflite_requant.report.words import COLUMNS, KEPT, LOGITS, SQNR  # noqa: E402
from tflite_requant.study.outcome import GIVEN, Study, TensorStudy  # noqa: E402

VOID = {"meta", "br", "img", "link", "input", "hr"}


class Nesting(HTMLParser):
    """Collects text, and complains about tags that do not close where they should."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.wrong, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append((tag, self.getpos()))

    def handle_data(self, data):
        self.text.append(data)


def written(demo_model, name, *words) -> str:
    assert main([str(demo_model), "-s", "symmetric-po2", "-o", "out.tflite", *words]) == 0
    return Path(name).read_text("utf-8")


@pytest.fixture(scope="module")
def demo_page(demo_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    words = ["-o", str(folder / "out.tflite"), "--report", str(folder / "page.html")]
    assert main([str(demo_model), "-s", "symmetric-po2", "--clamps", "exact", *words]) == 0
    return (folder / "page.html").read_text("utf-8")


def test_well_formed_and_whole_in_itself(demo_page):
    nesting = Nesting()
    nesting.feed(demo_page)
    assert (nesting.wrong, nesting.open) == ([], [])
    outside = [u for u in re.findall(r'(?:src|href)="([^"]*)"', demo_page) if not u.startswith("#")]
    assert outside == []
    text = " ".join(" ".join(nesting.text).split())
    for said in ("on symmetric-po2", "clamps exact", "exception", "activation-zero-point", "sha256",
                 "rounding litert-reference", "relabelled", "0 of 21"):  # fmt: skip
        assert said in text, said
    assert demo_page.count("<svg") == 2 + 21


def test_words_are_defined_where_they_are_used(demo_page):
    nesting = Nesting()
    nesting.feed(demo_page)
    text = " ".join(" ".join(nesting.text).split())
    assert f"Relabelled: {KEPT['relabelled']}." in text
    assert f"Folded: {COLUMNS['folded']}." in text
    assert "2^k is the whole multiplier" in text and "2^-10..-8" in text
    assert "Regridded" not in text  # there is none


def test_long_names_do_not_push_the_page_sideways(demo_page):
    assert re.search(r"\bli \{[^}]*overflow-wrap: anywhere", demo_page)


@pytest.mark.parametrize("where, told", [("op 2 LSTM", 1), ("tensor 2 x", 0)])
def test_exceptions_say_whose_numbers_they_tell(where, told):
    op = OperatorOutcome(0, 1, "ADD", "op 1 ADD a", "grid-exact", result_index=2)
    finding = Finding("exception", where, "law", "found")
    report = Report("s", "", "", "", True, operators=(op,), findings=(finding,))
    made = page(report, Study(1, "x", "y", (), ()), "m.tflite", {})
    assert made.count("1 exception; ops by the result&#39;s numbers") == told
    assert made.count(">new</th>") == 1


def test_names_are_escaped(demo_page):
    assert "<b>" in demo_page  # of the template
    from tflite_requant.outcome import Report
    from tflite_requant.study.outcome import Study

    report = Report("<i>", "a & b", "litert-reference", "no data", True)
    made = page(report, Study(1, "x", "litert-reference", (), ()), "<script>.tflite", {})
    assert "<i>" not in made and "<script>." not in made and "a &amp; b" in made


def test_same_bytes(demo_model, demo_page, folder):
    assert written(demo_model, "p.html", "--report", "p.html", "--clamps", "exact") == demo_page


def test_who_did_the_work_is_not_told(demo_model, folder):
    alone = written(demo_model, "a.html", "--report", "a.html")
    assert alone == written(demo_model, "b.html", "--report", "b.html", "--max-memory", "2G",
                            "--jobs", "2")  # fmt: skip


def test_joined_names_are_cut_but_not_lost(demo_page):
    whole = "op 2 CONV_2D stem/project/bias;stem/project/conv;stem/project/Const_11"
    assert f'<summary title="{whole}">stem/project/bias</summary>' in demo_page


@pytest.mark.parametrize(
    "label, operator, shown",
    [
        pytest.param("op 2 ADD a/b", "ADD", "a/b", id="main"),
        pytest.param("subgraph 1 op 2 ADD a", "ADD", "a", id="subgraph"),
        pytest.param("op 2 ADD x ADD y;z", "ADD", "x ADD y", id="operator-in-the-name"),
        pytest.param("op 2 ADD", "ADD", "op 2 ADD", id="no-output"),
    ],
)
def test_a_line_names_the_tensor_alone(label, operator, shown):
    assert tensor_name(label, operator) == shown


def test_the_page_of_a_model_names_the_tensor_alone(demo_model, folder):
    assert main(["inspect", str(demo_model), "--plot", "model.html", "-q"]) == 0
    summaries = re.findall(r"<summary[^>]*>([^<]*)</summary>", Path("model.html").read_text())
    assert "stem/project/bias" in summaries
    assert not any(s.startswith("op ") for s in summaries)


def test_cards_round_down():
    metrics = {"sqnr": 29.999, "same_top1": 93.75, "samples": 16.0}
    shown = [value for value, _, _ in cards(Report("s", "", "", "", True, metrics=metrics), None)]
    assert shown[:2] == ["29.99 dB", "93.7 %"]


@pytest.mark.parametrize("count, what", [(1, "1 of 1 operator"), (2, "2 of 2 operators")])
def test_cards_count(count, what):
    finding = Finding("exception", "tensor 1", "law", "found")
    report = Report(
        "int8", "", "", "", True, metrics={"sqnr": 30.0, "samples": float(count)},
        sqnr_of="worst output",
        operators=count * (OperatorOutcome(0, 0, "ADD", "op 0 ADD a", "grid-exact"),),
        findings=count * (finding,), inserted=count * ("QUANTIZE",),
    )  # fmt: skip
    found = [" ".join(card) for card in cards(report, Study(count, "x", "y", (), ()))]
    s = "" if count == 1 else "s"
    assert f"30.00 dB SQNR of the worst output on {count} sample{s}, against the source" in found
    assert f"{what} exact same real grids and weights" in found
    assert f"{count} exception{s} to the scheme" in found
    assert f"{count} inserted operator{s}" in found


def tensor(index: int, sqnr: float | None) -> TensorStudy:
    return TensorStudy(f"t{index}", index, f"op {index} ADD t{index}", sqnr, 4, 1, {})


@pytest.mark.parametrize(
    "judged, kind, metrics, said",
    [
        pytest.param(
            (2, 1), "raw", {},
            "20.68 dB SQNR of the worse of the raw boxes and scores that post-processing reads, "
            "t1, on made-up inputs 4 samples of synthetic images; real ones may differ by several "
            "dB",
            id="raw-made-up",
        ),
        pytest.param(
            (1,), "logits", {},
            "20.68 dB SQNR of the logits, on made-up inputs 4 samples of synthetic images; real "
            "ones may differ by several dB",
            id="logits-made-up",
        ),
        pytest.param(
            (2, 0), "", {},
            "9.00 dB SQNR of the worst output, on made-up inputs 4 samples of synthetic images; "
            "real ones may differ by several dB",
            id="outputs-made-up",
        ),
        pytest.param(
            (1,), "logits", {"sqnr": 21.5, "logits_sqnr": 21.5, "samples": 16.0},
            "21.50 dB SQNR of the logits on 16 samples, against the source",
            id="measured",
        ),
    ],
)  # fmt: skip
def test_the_headline_is_of_what_the_result_is_judged_by(judged, kind, metrics, said):
    tensors = (tensor(0, 9.0), tensor(1, 20.68), tensor(2, 25.98))
    study = Study(4, "synthetic images", "y", tensors, (), judged, kind == "logits", kind == "raw")
    report = Report("s", "", "", "", True, metrics=metrics, sqnr_of=kind)
    found = [" ".join(card) for card in cards(report, study)]
    assert said in found and sum("SQNR" in card for card in found) == 1


@pytest.mark.parametrize(
    "metrics, data, yardstick, of_logits",
    [
        pytest.param({}, "synthetic images", 0, 0, id="made-up"),
        pytest.param({}, GIVEN, 1, 0, id="given"),
        pytest.param({"sqnr": 9.0, "samples": 4}, GIVEN, 1, 0, id="measured"),
        pytest.param({"sqnr": 9.0, "logits_sqnr": 9.0, "samples": 4}, GIVEN, 1, 1, id="logits"),
    ],
)
def test_made_up_inputs_have_no_yardstick(metrics, data, yardstick, of_logits):
    study = Study(4, data, "y", (tensor(1, 20.68),), (), (1,), True)
    report = Report("s", "", "", "", True, metrics=metrics)
    made = " ".join(html.unescape(page(report, study, "m.tflite", {})).split())
    assert (made.count(SQNR), made.count(LOGITS)) == (yardstick, of_logits)


def test_totals_are_those_of_the_console():
    op = OperatorOutcome(0, 1, "ADD", "op 1 ADD a", "grid-exact", channels=8, exact_channels=7,
                         weights=80, exact_weights=70, dead_channels=3)  # fmt: skip
    report = Report("s", "", "", "", True, operators=(op,))
    made = page(report, Study(1, "x", "y", (), ()), "m.tflite", {})
    for name, told in (
        ("channels", "7 of 8 exact (87.5 %)"),
        ("weights", "70 of 80 exact (87.5 %)"),
        ("dead", "3 channels proven constant, weights given up; counted as exact"),
    ):
        assert f"<dt>{name}</dt><dd>{told}</dd>" in made


def test_operators_of_several_subgraphs_have_both_numbers():
    ops = tuple(
        OperatorOutcome(
            i, 0, "ADD", "op 0 ADD a", "grid-exact", sum_bits=18, bias_bits=9 if i else None
        )
        for i in range(2)
    )
    made = page(Report("s", "", "", "", True, operators=ops), Study(1, "x", "y", (), ()), "m", {})
    assert '<td class="n">0.0</td>' in made and '<td class="n">1.0</td>' in made
    assert '<td class="n">18b</td>' in made and '<td class="n">18b, 9b</td>' in made
    assert f"Op: {COLUMNS['op']}." in made and "Sum, bias: " in made


def test_what_firmware_feeds_and_what_a_tensor_stands_for():
    same = PortOutcome(0, 0, "y", "int8", 0.5, 0, "int8", 0.5, 0)
    image = PortOutcome(0, 0, "image", "uint8", 0.5, 128, "int8", 0.5, 0)
    rows = (
        TensorOutcome(0, 1, "a", "uint8", 0.4, 3, "int8", 0.5, 0, "relabelled", 1.25, 2.5),
        TensorOutcome(0, 2, "b", "uint8", 0.4, 3, "int8", 0.5, 0, "regridded"),
    )
    report = Report("s", "", "", "", True, tensors=rows, inputs=(image,), outputs=(same,))
    made = html.unescape(page(report, Study(1, "x", "y", (), ()), "m", {}))
    told = re.findall(r"<dt>(?:input|output)</dt><dd>([^<]*)</dd>", made)
    assert told == ["image: uint8 0.5 128 → int8 0.5 0"]
    assert made.count('relabelled</td><td class="n">0.4</td><td class="n">2.5</td>') == 1
    assert made.count("regridded</td><td></td><td></td>") == 1


def test_a_model_alone(demo_model, folder, capsys):
    assert main(["inspect", str(demo_model), "--plot", "model.html", "-q"]) == 0
    made = Path("model.html").read_text("utf-8")
    nesting = Nesting()
    nesting.feed(made)
    assert (nesting.wrong, nesting.open) == ([], [])
    assert made.count("<svg") == 1 + 14  # scales, and every operator with weights
    assert [int(n) for n in re.findall(r'<td class="n">(\d+)</td></tr>', made)] == [1, 2, 1, 2]
    assert main(["inspect", str(demo_model), "--plot", "model.pdf"]) == 2
    assert "ends in .html" in capsys.readouterr().err
