"""An unset shell variable leaves an empty word: never a flag that was left out, always exit 2."""

import subprocess
import sys

import pytest
from said import messages

from tflite_requant.cli import main
from tflite_requant.cli.commands import COMMANDS
from tflite_requant.cli.parser import parser_of
from tflite_requant.errors import SampleError
from tflite_requant.files import load
from tflite_requant.samples import load_samples

COMPLETE = {
    "requantize": ["tiny.tflite"],
    "check": ["tiny.tflite"],
    "inspect": ["tiny.tflite"],
    "run": ["tiny.tflite", "--inputs", "random:1"],
    "compare": ["tiny.tflite", "tiny.tflite", "--inputs", "random:1"],
    "golden": ["tiny.tflite", "--output", "set"],
    "schemes": [],
}
FLAGS = {
    f"{command}{name}": (command, name)
    for command in COMMANDS
    for action in parser_of(command)._actions
    for name in action.option_strings
    if action.nargs != 0
}
POSITIONALS = {
    "default": [""],
    "after-a-switch": ["-q", ""],
    "after-the-model": ["tiny.tflite", ""],
    "blank": ["  "],
    "behind-dashes": ["--", ""],
    **{c: [c, *(w if w != "tiny.tflite" else "" for w in COMPLETE[c])] for c in COMMANDS},
    "schemes": ["schemes", ""],
}


def refused(words, tiny, capsys) -> str:
    assert main(words) == 2
    out, err = capsys.readouterr()
    (line,) = messages(err)
    assert out == ""
    assert [p.name for p in tiny.parent.iterdir()] == [tiny.name]
    return line


def test_every_command_is_asked():
    assert list(COMPLETE) == list(COMMANDS)
    assert len(FLAGS) > 60


WORDS = {
    f"{key}{told}": (command, name, words)
    for key, (command, name) in FLAGS.items()
    for told, words in {"": [name, ""], "-blank": [name, " "], "=": [f"{name}="]}.items()
    if told != "=" or name.startswith("--")
}


@pytest.mark.parametrize("command, name, words", WORDS.values(), ids=WORDS)
def test_flags(command, name, words, tiny, capsys):
    line = refused([command, *COMPLETE[command], *words], tiny, capsys)
    assert line.startswith(f"{name} is empty; need ")
    assert "leave the flag out; is a variable not set?" in line


@pytest.mark.parametrize("words", POSITIONALS.values(), ids=POSITIONALS)
def test_positionals(words, tiny, capsys):
    line = refused(words, tiny, capsys)
    assert line.startswith("an argument is empty; need ")
    assert "is a variable not set?" in line


# id: (command line, what the line begins with)
LISTS = {
    "layers": ("golden tiny.tflite -o set --layers ,", "--layers ',': an empty name"),
    "formats": ("golden tiny.tflite -o set --formats npz,,hex", "--formats 'npz,,hex': an empty"),
    "scheme": ("tiny.tflite -s ,", "--scheme ',': an empty name"),
    "correction": ("tiny.tflite --correction ,", "--correction ',': an empty name"),
    "require": ("tiny.tflite --require ,", "--require '': need a name"),
    "arithmetic": ("compare tiny.tflite --inputs random:1 --arithmetic ,", "--arithmetic ',': an"),
    "keep": ("run tiny.tflite --inputs random:1 -o x.npz --keep ,", "--keep: no tensor ''"),
}


@pytest.mark.parametrize("words, says", LISTS.values(), ids=LISTS)
def test_lists_of_nothing(words, says, tiny, capsys):
    assert refused(words.split(), tiny, capsys).startswith(says)


def test_samples_in_python(tiny):
    with pytest.raises(SampleError, match="empty word; need a .npy"):
        load_samples("", load(tiny))


@pytest.mark.parametrize("flag", ["--samples", "--labels", "--calibration", "--split", "--dask"])
def test_the_tool_that_measures(flag, demo_model):
    tool = demo_model.parents[2] / "tools" / "accuracy"
    done = subprocess.run(
        [sys.executable, tool, demo_model, "int8", flag, ""],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{flag} is empty; need " in done.stderr.splitlines()[-1]
