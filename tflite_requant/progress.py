"""Progress bars on stderr, where somebody watches; gone when the work is done."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tflite_requant.streams import Heedless

Advance = Callable[[int], object]


@contextmanager
def bar(title: str, unit: str, total: int | None) -> Iterator[Advance]:
    """What is called with how many units are done. No title: nothing is shown; nor where stderr is
    no terminal. total None: nobody knows how many there will be."""
    if not (title and sys.stderr is not None and sys.stderr.isatty()):
        yield lambda count: None
        return
    from tqdm import tqdm

    screen = {"file": Heedless(sys.stderr), "dynamic_ncols": True}
    with tqdm(total=total, desc=title, unit=unit, leave=False, **screen) as shown:
        yield shown.update
