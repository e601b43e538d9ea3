"""`--jobs` and `--dask`: who does the work that can be parted."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from tflite_requant.errors import UsageError
from tflite_requant.extras import DASK, install
from tflite_requant.version import VERSION

PATIENCE = 15  # seconds to wait for a cluster


def add_flags(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N",
        help="processes that share the work; the result is the same with any number; default 1",
    )  # fmt: skip
    parser.add_argument(
        "--dask", metavar="ADDRESS",
        help="a Dask cluster that shares the work, such as tcp://host:8786; its workers need "
        "tflite_requant",
    )  # fmt: skip


@contextmanager
def executor_of(args: argparse.Namespace) -> Iterator[Executor | None]:
    """The executor that was asked for; None: work is done here. Raises UsageError."""
    if args.jobs < 1:
        raise UsageError(f"--jobs {args.jobs}: need at least 1")
    if args.dask:
        with _cluster(args.dask) as executor:
            yield executor
    elif args.jobs > 1:
        from tflite_requant.cli.processes import processes

        with processes(args.jobs) as executor:
            yield executor
    else:
        yield None


def _asker():
    """A function that travels by value, to workers that may not have this module."""

    def version() -> str | None:
        try:
            from tflite_requant.version import VERSION as found
        except ImportError:
            return None
        return found

    return version


@contextmanager
def _cluster(address: str) -> Iterator[Executor]:
    try:
        from distributed import Client
    except ImportError:
        raise UsageError(f"--dask needs dask.distributed: {install(DASK)}") from None
    try:
        client = Client(address, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(f"--dask {address}: no cluster answers: {reason}") from None
    with client:
        versions = client.run(_asker())
        if not versions:
            raise UsageError(f"--dask {address}: the cluster has no workers; start some first")
        other = sorted({str(v) for v in versions.values()} - {VERSION})
        if other:
            raise UsageError(
                f"--dask {address}: workers have tflite_requant {', '.join(other)}, this is "
                f"{VERSION}; install the same on all"
            )
        with client.get_executor() as executor:
            yield executor
