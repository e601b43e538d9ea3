"""A flag that takes one value is given once; what is a list, or adds up, says so."""

import json
import subprocess
import sys

import pytest
from said import messages

from tflite_requant.cli import main
from tflite_requant.cli.commands import COMMANDS
from tflite_requant.cli.parser import parser_of
from tflite_requant.errors import UsageError

ADDING = {"report", "overlay", "c_array", "require"}
FLAGS = {
    f"{command}{max(action.option_strings, key=len)}": (command, action)
    for command in COMMANDS
    for action in parser_of(command)._actions
    if action.option_strings and action.nargs != 0
}
POSITIONALS = {"compare": ["a"], "golden": [], "schemes": []}


def value_of(action) -> str:
    if action.choices:
        return action.choices[0]
    return "1" if action.type else "x"


@pytest.mark.parametrize(
    "command, action",
    [v for v in FLAGS.values() if v[1].dest not in ADDING],
    ids=[k for k, v in FLAGS.items() if v[1].dest not in ADDING],
)
def test_every_flag_of_one_value(command, action):
    words = POSITIONALS.get(command, ["tiny.tflite"])
    value, names = value_of(action), action.option_strings
    twice = [names[0], value, names[-1], value]
    long = max(action.option_strings, key=len)
    with pytest.raises(UsageError, match=f"^{long} given twice; (several: {long} x,x|need one)"):
        parser_of(command).parse([*words, *twice])


def test_there_are_such_flags():
    assert len(FLAGS) > 60 and {a.dest for _, a in FLAGS.values()} >= ADDING


# id: (command line, what is told)
TOLD = {
    "scheme": ("tiny.tflite -s int8 -s symmetric",
               "--scheme given twice; several: --scheme int8,symmetric; see "),
    "glued": ("tiny.tflite --scheme=int8 -ssymmetric",
              "--scheme given twice; several: --scheme int8,symmetric; see "),
    "layers": ("golden tiny.tflite -o x --layers a|b --layers 3",
               "--layers given twice; several: --layers 'a|b,3'; see "),
    "output": ("tiny.tflite -o a -o b", "--output given twice; need one value; see "),
    "calibration": ("tiny.tflite --calibration a --calibration a", "--calibration given twice; "),
    "of-check": ("check tiny.tflite -s int8 -s uint8", "--scheme given twice; need one value"),
    "list-for-check": ("check tiny.tflite -s int8,symmetric",
                       "--scheme int8,symmetric: check takes one scheme at a time"),
    "list-for-schemes": ("schemes int8,symmetric",
                         "int8,symmetric: schemes takes one scheme at a time"),
    "two-schemes": ("schemes int8 uint8", "one scheme at a time: what is 'uint8'?; see "),
    "three-models": ("compare a b c --inputs random:1", "two models at most: what is 'c'?; see "),
    "flag-behind-dashes": ("-- -x.tflite -q",
                           "-q stands behind --, where no word is a flag; put flags before the "),
    "flag-behind-flags": ("tiny.tflite -q -- -v", "-v stands behind --, where no word is a flag"),
    "flag-behind-both": ("tiny.tflite -- --scheme",
                         "--scheme stands behind --, where no word is a flag; put flags before"),
}  # fmt: skip


@pytest.mark.parametrize("words, told", TOLD.values(), ids=TOLD)
def test_what_is_told(tiny, capsys, words, told):
    assert main(words.split()) == 2
    (line,) = messages(capsys.readouterr().err)
    assert line.startswith(told)
    assert [p.name for p in tiny.parent.iterdir()] == ["tiny.tflite"]


def test_switches_may_be_repeated(tiny, capsys):
    words = "tiny.tflite --keep-io -q --keep-io -q -o x.tflite"
    assert main(words.split()) == 0


@pytest.mark.parametrize("words", ["-q tiny.tflite --", "-q -- tiny.tflite", "tiny.tflite -q --"])
def test_dashes_that_end_the_flags(tiny, words):
    assert main([*"-s symmetric -o x.tflite".split(), *words.split()]) == 0


def test_a_scheme_file_may_have_a_comma_in_its_name(tiny, capsys):
    assert main(["schemes", "uint8"]) == 0
    (tiny.parent / "a,b.toml").write_text(capsys.readouterr().out)
    assert main("check tiny.tflite -s a,b.toml".split()) == 0
    assert main("schemes a,b.toml".split()) == 0


@pytest.mark.parametrize("words", ["notes==99 sqnr>=0", "sqnr>=0 notes==99"], ids=["first", "last"])
def test_conditions_add_up(tiny, capsys, words):
    required = [w for word in words.split() for w in ("--require", word)]
    samples = ["--calibration", "random:2"]
    assert main(["tiny.tflite", "-o", "x.tflite", "--json", *samples, *required]) == 1
    out, err = capsys.readouterr()
    (unmet,) = json.loads(out)["results"][0]["unmet"]
    assert unmet.startswith("notes==99 does not hold")


def test_the_tool_that_measures(demo_model):
    tool = demo_model.parents[2] / "tools" / "accuracy"
    done = subprocess.run(
        [sys.executable, tool, demo_model, "int8", "--samples", "a", "--samples", "b"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "--samples given twice; need one value" in done.stderr.splitlines()[-1]
