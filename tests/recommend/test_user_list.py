from __future__ import annotations

from pathlib import Path

import pytest

from recspark.errors import DataError
from recspark.recommend.user_list import read_user_list


def test_ids_come_out_once_and_ascending(tmp_path: Path) -> None:
    file = tmp_path / "users.txt"
    file.write_bytes(b"\xef\xbb\xbf12\r\n\n7\n 12 \n2649429")
    assert read_user_list(str(file)).tolist() == [7, 12, 2649429]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("7\nanna\n8\n-1\n", r"2 lines that are not ids \(.*users.txt:2: 'anna'; .*:4: '-1'\)"),
        ("\n\n", "found no ids"),
    ],
)
def test_lines_that_are_not_ids_are_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "users.txt"
    file.write_text(text)
    with pytest.raises(DataError, match=message):
        read_user_list(str(file))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_user_list(str(tmp_path / "users.txt"))
