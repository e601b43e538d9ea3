"""Labels of samples, from a table or an array."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from tflite_requant.errors import SampleError
from tflite_requant.samples.load import Samples, load_arrays
from tflite_requant.wording import reason_of

FILE_COLUMNS = ("file", "filename", "image")
LABEL_COLUMNS = ("class_index", "label", "class")


@dataclass(frozen=True, slots=True)
class LabelTable:
    """Rows of a .csv: label and, where there is such a column, split, by file name."""

    path: Path
    labels: dict[str, int]
    splits: dict[str, str]

    def chosen(self, samples: Samples, split: str | None) -> Samples:
        """The samples that the table names and puts into that split (None: any).

        Raises SampleError where none is left.
        """
        if not samples.names:
            raise SampleError(f"{self.path}: a table of files needs a folder of images")
        if split is not None and not self.splits:
            raise SampleError(f"{self.path}: no column 'split', but split {split!r} was asked for")
        keys = [self._key(name) for name in samples.names]
        positions = [
            p
            for p, key in enumerate(keys)
            if key is not None and (split is None or self.splits[key] == split)
        ]
        if not positions:
            known = ", ".join(dict.fromkeys(self.splits.values())) or "none"
            where = f" of split {split!r}; there are {known}" if split is not None else ""
            raise SampleError(f"{self.path}: names none of the images{where}")
        return samples.select(positions)

    def of(self, samples: Samples, offset: int = 0) -> np.ndarray:
        """The samples' labels plus offset, int64 [N]; for samples that `chosen` returned."""
        return np.array([self.labels[self._key(n)] + offset for n in samples.names], np.int64)

    def _key(self, name: str) -> str | None:
        """A table may name files by their path in the folder or by their name alone."""
        return next((k for k in (name, PurePosixPath(name).name) if k in self.labels), None)


def read_table(path: Path) -> LabelTable:
    """A .csv with a header: a column of files, one of class indices, perhaps one called split."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise SampleError(f"{path}: cannot be read: {reason_of(error)}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise SampleError(f"{path}: no table of labels: {error}") from None
    header = list(rows[0]) if rows else []
    file_column = next((c for c in FILE_COLUMNS if c in header), None)
    label_column = next((c for c in LABEL_COLUMNS if c in header), None)
    if file_column is None or label_column is None:
        raise SampleError(
            f"{path}: columns are {header}; need one of {', '.join(FILE_COLUMNS)} and one of "
            f"{', '.join(LABEL_COLUMNS)}"
        )
    labels, splits = {}, {}
    for number, row in enumerate(rows, start=2):
        try:
            labels[row[file_column]] = int(row[label_column])
        except (TypeError, ValueError):
            raise SampleError(
                f"{path}: line {number}: {label_column} is {row[label_column]!r}; need an integer"
            ) from None
        if "split" in header:
            splits[row[file_column]] = row["split"]
    return LabelTable(path, labels, splits)


def array_labels(path: Path, name: str | None, count: int, offset: int = 0) -> np.ndarray:
    """Labels from a .npy, or an array of a .npz: one integer per sample, int64 [count]."""
    arrays = load_arrays(path)
    if name is None and len(arrays) != 1:
        raise SampleError(f"{path}: which array? there are {', '.join(arrays)}; say FILE.npz:ARRAY")
    if name is not None and name not in arrays:
        raise SampleError(f"{path}: no array {name!r} in it; there are {', '.join(arrays)}")
    labels = arrays[name] if name is not None else next(iter(arrays.values()))
    if labels.dtype.kind not in "iu" or labels.shape != (count,):
        raise SampleError(
            f"{path}: labels are {labels.dtype} of shape {list(labels.shape)}; "
            f"need {count} integers, one per sample"
        )
    return labels.astype(np.int64) + offset
