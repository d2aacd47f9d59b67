from __future__ import annotations

from pathlib import Path

import pytest

from recspark.ingest.pair_files import list_sources, split_files
from recspark.ingest.pairs import PairColumns, TimeSettings
from recspark.scoring.pair_files import _check, _show
from recspark.text import ranges


def test_counts_of_a_piece_are_those_of_all_its_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranges, "PIECE_BYTES", 16)  # about two lines
    lines = ["user_id,movie_id,at", "1,2,60", "3,4,", "5,6,soon", "7,8,120", "9,,60", "1,1,180"]
    path = tmp_path / "x.csv"
    path.write_text("".join(line + "\n" for line in lines))
    time = TimeSettings("at", "seconds", ("column", "format"))
    columns = PairColumns("user_id", "movie_id", ("user", "movie"), time)
    [piece] = split_files(list_sources(str(path)), columns, (False, False))
    found = _check(piece, (False, False))
    assert (found.num_pairs, found.num_timed, found.num_bad) == (4, 3, 2)
    assert _show([piece], [found]) == [
        f"{path}:4: '5,6,soon' (not a time in seconds since 1970)",
        f"{path}:6: '9,,60'",
    ]
