"""Worker processes that neither speak of an interrupt nor outlive it.

A terminal sends its interrupt to all processes, and whoever dies while it answers leaves half an
answer that the other side waits for. So workers leave interrupts to the process that started them,
which tells them by SIGTERM to drop what they do; they obey in their work, never in an answer.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from threading import Thread
from typing import Any

from tflite_requant.errors import Terminated

_state = {"is_busy": False, "is_stopped": False}


class _Processes(ProcessPoolExecutor):
    def submit(self, work: Callable, /, *arguments: Any) -> Future:
        return super().submit(_guarded, work, *arguments)


@contextmanager
def processes(count: int) -> Iterator[Executor]:
    """An executor of `count` processes; none is left afterwards, however it ends."""
    # One BLAS thread a worker, or they wait for each other.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    others = set(active_children())
    executor = _Processes(count, get_context("spawn"), _begin)
    try:
        with _interrupts_held_back():  # processes inherit this, until `_begin` has run
            for _ in range(count):
                executor.submit(int)
        yield executor
    except BaseException:
        for child in set(active_children()) - others:
            child.terminate()
        raise
    finally:
        executor.shutdown(cancel_futures=True)


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin() -> None:
    """What a worker does first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent_process().join()
    os._exit(0)  # nobody is left to answer to


def _stop(*_) -> None:
    _state["is_stopped"] = True
    # What this catches at work, an archive halfway into a file, has nothing to say.
    sys.unraisablehook = lambda unraisable: None
    if _state["is_busy"]:
        raise Terminated


def _guarded(work: Callable, *arguments: Any) -> Any:
    if _state["is_stopped"]:
        raise Terminated
    try:
        _state["is_busy"] = True
        return work(*arguments)
    finally:
        _state["is_busy"] = False
