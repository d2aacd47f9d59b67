"""The readers of stored ratings in Parquet files: petastorm, or pyarrow alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Protocol

from recspark.cluster.requirements import REQUIREMENTS
from recspark.errors import EnvironmentProblem, describe
from recspark.files.parquet import RowGroup
from recspark.training.stored import Columns


class Reader(Protocol):
    """Reads rows from local Parquet files.

    Every reader returns the same rows in the same order, with the same types.
    """

    def read_file(self, path: str) -> Iterator[Columns]:
        """Yield the rows of each row group, in stored order."""

    def read_row_group(self, group: RowGroup) -> Columns | None:
        """Return the rows of one row group, or None if the read came back empty."""


def load_reader(name: Literal["petastorm", "arrow"]) -> Reader:
    """Return the reader that `train.reader` names, and import no other.

    Raises:
        EnvironmentProblem: `train.reader` is petastorm, which is not installed.
    """
    if name == "arrow":
        from recspark.training import arrow_reader

        return arrow_reader
    try:
        from recspark.training import petastorm_reader
    except ModuleNotFoundError as error:
        raise EnvironmentProblem(
            describe(
                "train.reader petastorm",
                found=f"no module {error.name}",
                expected="petastorm",
                remedy=f"pip install 'petastorm{REQUIREMENTS['petastorm'][0]}', or set "
                "train.reader to arrow, which gives the same rows.",
            )
        ) from error
    return petastorm_reader
