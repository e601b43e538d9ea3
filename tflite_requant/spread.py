"""Work in parts, here or on the workers of any `concurrent.futures.Executor`.

Parts are cut without regard to who does them, and results come back in order: what is made of them
is the same wherever they ran.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import Executor
from functools import wraps
from threading import local
from typing import TypeVar

from tflite_requant.errors import RequantError

Task = TypeVar("Task")
Answer = TypeVar("Answer")
AHEAD = 16  # parts that wait or are in work at once; each may hold samples
PARTS = 8  # at least, of little work: so that all workers have some of it, and it is seen to go on


class WorkerLost(RequantError):
    """A worker died with a part of the work."""

    exit_code = 1


def spread(
    executor: Executor | None, work: Callable[[Task], Answer], tasks: Iterable[Task]
) -> Iterator[Answer]:
    """work(task) for every task, in order of tasks. executor None: one after the other, here.

    work and tasks must be picklable where there is an executor. What `work` raises is raised here.
    Raises WorkerLost where a worker died and nobody took its part over.
    """
    if executor is None:
        yield from map(work, tasks)
        return
    waiting: deque = deque()
    try:
        for task in tasks:
            waiting.append(executor.submit(work, task))
            if len(waiting) >= AHEAD:
                yield _answer(waiting.popleft())
        while waiting:
            yield _answer(waiting.popleft())
    finally:
        for future in waiting:
            future.cancel()


def parts(items: Iterable[Task], size: int) -> Iterator[tuple[int, list[Task]]]:
    """(index of the first, up to `size` items), without holding more than one part."""
    first, part = 0, []
    for item in items:
        part.append(item)
        if len(part) == size:
            yield first, part
            first, part = first + len(part), []
    if part:
        yield first, part


def part_size(items: object, most: int) -> int:
    """Items a part: `most`, or fewer where that would make less than PARTS parts. most where
    nobody knows how many items there are."""
    count = len(items) if isinstance(items, Sized) else most * PARTS
    return max(1, min(most, count // PARTS))


def kept_by_thread(make: Callable[..., Answer]) -> Callable[..., Answer]:
    """Let every thread keep what it made last: workers get the same arguments again and again, and
    what they make (an interpreter) must not be shared."""
    kept = local()

    @wraps(make)
    def found(*arguments) -> Answer:
        if getattr(kept, "arguments", None) != arguments:
            kept.answer = make(*arguments)
            kept.arguments = arguments
        return kept.answer

    return found


def _answer(future):
    try:
        return future.result()
    except Exception as error:
        # BrokenProcessPool of concurrent.futures, KilledWorker of dask.distributed.
        if type(error).__name__ not in ("BrokenProcessPool", "KilledWorker"):
            raise
        raise WorkerLost(
            "a worker died with its part of the work, perhaps of memory; use fewer workers"
        ) from error
