"""docs/cli.md is what the parsers say."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_generated_document_is_checked_in():
    tool = ROOT / "tools" / "generate_cli_doc"
    done = subprocess.run(
        [sys.executable, str(tool), "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), f"run {tool.relative_to(ROOT)}"
