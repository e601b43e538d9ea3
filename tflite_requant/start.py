"""The program's first lines: what an interrupt does before anything else is there.

Importing takes longer than an impatient finger, and a traceback from inside it tells nobody
anything. Nothing is open yet, so that the process may simply end.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

from tflite_requant.streams import lose

INTERRUPTED = 130  # 128 + SIGINT, as shells say it
MESSAGE = b"tflite-requant: interrupted\n"


def console() -> None:
    """Entry point of `tflite-requant` and `python -m tflite_requant`."""
    _open_streams()
    signal.signal(signal.SIGINT, _end)
    # Products here are many and small: threads wait for each other longer than they help.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from tflite_requant.cli.main import console as run

    signal.signal(signal.SIGTERM, _terminate)
    try:
        signal.signal(signal.SIGINT, _interrupt)
        run()
    except KeyboardInterrupt:  # outside of what the commands themselves clean up
        _end()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # what is left to do takes no time
        _settle()


def _open_streams() -> None:
    """Let nothing be where a stream was closed (`>&-`). Python sets it to None, and the next file
    that is opened would get its number, and with it what libraries print."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the least number that is free: this one
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))


def _settle() -> None:
    """Leave nothing in the streams that Python would fail to write at exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            lose(stream)


def _end(*_) -> None:
    with suppress(OSError):
        os.write(2, MESSAGE)
    os._exit(INTERRUPTED)


def _interrupt(*_) -> None:
    _ignore_more()
    raise KeyboardInterrupt


def _terminate(*_) -> None:
    from tflite_requant.errors import Terminated

    _ignore_more()
    raise Terminated


def _ignore_more() -> None:
    """One signal is enough; another would cut short what takes half-written files away. Objects
    that it caught at work (an archive, halfway into a file) have nothing to say either."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    sys.unraisablehook = lambda unraisable: None
