"""Stored ratings through petastorm 0.12.1, on any pyarrow and numpy. No other file imports it.

petastorm was last released for pyarrow 14 and numpy 1. It calls things that are gone: pyarrow 15
and 16 removed the old data set interface and the old file systems, numpy 2 removed two type names,
and Python 3.12 removed `distutils`. Reading local files needs little of that, so this file supplies
stand-ins: modules that exist only while petastorm is imported, and a small `pq` and `np` for those
of its modules that the reader uses. pyarrow and numpy themselves stay unchanged.

This also fixes two bugs of petastorm: it left a file open for each row group, and it unpickled the
metadata of a data set.

In the rest of the process `make_batch_reader` reads local files too, one or a list of them; it
refuses a directory.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import types
import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from packaging.version import Version

from recspark.files.parquet import RowGroup
from recspark.training.stored import STORED_COLUMNS, Columns

# Modules that petastorm imports but does not need to read a local file.
_STAND_INS: Mapping[str, Mapping[str, object]] = {
    "pyarrow.filesystem": {"LocalFileSystem": object},
    "pyarrow.hdfs": {"HadoopFileSystem": object},
    "distutils": {},
    "distutils.version": {"LooseVersion": Version},
}


def read_file(path: str) -> Iterator[Columns]:
    """Yield the rows of each row group of a local Parquet file, in stored order."""
    with _open_reader(path, "thread") as reader:
        for batch in reader:
            yield _columns(batch)


def read_row_group(group: RowGroup) -> Columns | None:
    """Return the rows of one row group, or None if petastorm returned nothing."""
    with _open_reader(group.path, "dummy", cur_shard=group.number, shard_count=group.of) as reader:
        # Take one item and do not ask for a second: petastorm's pool without threads can then wait
        # for ever.
        batch = next(reader, None)
    return None if batch is None else _columns(batch)


def _open_reader(path: str, pool: str, **selection: int) -> Any:
    return make_batch_reader(
        # Not Path.as_uri: petastorm reads %3D as three characters.
        f"file://{path}",
        schema_fields=list(STORED_COLUMNS),
        reader_pool_type=pool,
        workers_count=1,
        num_epochs=1,
        shuffle_row_groups=False,
        **selection,
    )


def _columns(batch: Any) -> Columns:
    users, movies, ratings = (getattr(batch, name) for name in STORED_COLUMNS)
    return users, movies, ratings


@dataclass(frozen=True)
class _Piece:
    """A file of a data set, or one row group of it; pyarrow 14 called it ParquetDatasetPiece."""

    path: str
    open_file_func: object = None
    row_group: int | None = None
    partition_keys: Collection[object] = ()

    def get_metadata(self) -> pyarrow.parquet.FileMetaData:
        return pyarrow.parquet.read_metadata(self.path)

    def read(self, columns: Collection[str], partitions: object) -> pa.Table:
        assert self.row_group is not None
        assert partitions is None
        with pyarrow.parquet.ParquetFile(self.path) as file:
            return file.read_row_group(self.row_group, list(columns))


class _Dataset:
    """Local Parquet files as one data set: no partitions, no metadata file, hence no pickles."""

    metadata = common_metadata = partitions = None

    def __init__(self, path_or_paths: str | list[str], filters: object = None, **_: object) -> None:
        if filters is not None:
            raise NotImplementedError("petastorm inside recspark: no filters")
        self.paths = path_or_paths
        paths = [path_or_paths] if isinstance(path_or_paths, str) else path_or_paths
        self.pieces = [_Piece(path) for path in paths]
        self.fs = fs_utils.pyarrow.localfs


class _LocalFiles:
    """The file system of a `_Dataset`. It opens nothing: a `_Piece` opens and closes its file."""

    def open(self, path: str) -> str:
        return path


def _no_file(source: str) -> str:
    """Stand in for the ParquetFile that petastorm opens for each row group and never closes."""
    return source


class _Numpy(types.ModuleType):
    """numpy with the two type names that numpy 2 removed."""

    unicode_, string_ = np.str_, np.bytes_

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


@contextlib.contextmanager
def _stand_ins() -> Iterator[None]:
    """Make the modules of _STAND_INS importable that this installation lacks."""
    added = {}
    for name, contents in _STAND_INS.items():
        if not _is_there(name):
            added[name] = types.ModuleType(name)
            vars(added[name]).update(contents)
            sys.modules[name] = added[name]
    try:
        yield
    finally:
        for name in added:
            del sys.modules[name]


def _is_there(name: str) -> bool:
    try:
        return name in sys.modules or importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its parent package is missing
        return False


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # deprecations in petastorm and in what it imports
    with _stand_ins():
        import petastorm.reader
        from petastorm import arrow_reader_worker, fs_utils, make_batch_reader, unischema
        from petastorm.etl import dataset_metadata

_parquet = types.SimpleNamespace(ParquetDataset=_Dataset, ParquetDatasetPiece=_Piece)
for _module in (petastorm.reader, arrow_reader_worker, dataset_metadata):
    _module.pq = _parquet
arrow_reader_worker.ParquetFile = _no_file
fs_utils.pyarrow = types.SimpleNamespace(localfs=_LocalFiles())
for _module in (arrow_reader_worker, unischema):
    _module.np = _Numpy("numpy")
