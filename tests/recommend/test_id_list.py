from __future__ import annotations

from pathlib import Path

import pytest

from recspark.arrays.ids import to_list
from recspark.errors import DataError
from recspark.recommend.id_list import read_id_list

SETTING = "recommend.deny_movies"


def test_ids_come_out_once_and_ascending(tmp_path: Path) -> None:
    file = tmp_path / "users.txt"
    file.write_bytes(b"\xef\xbb\xbf12\r\n\n7\n 12 \n2649429")
    assert to_list(read_id_list(str(file), SETTING)) == [7, 12, 2649429]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("7\nanna\n8\n1.5\n", r"2 lines that are not ids \(.*users.txt:2: 'anna'; .*:4: '1.5'\)"),
        ("7\n\x1b[31mred\n", r"users.txt:2: '\\\\x1b\[31mred'\), expected .*whole numbers"),
        ("\n\n", "found no ids"),
    ],
)
def test_lines_that_are_not_ids_are_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "users.txt"
    file.write_text(text)
    with pytest.raises(DataError, match=message):
        read_id_list(str(file), SETTING)


def test_whole_numbers_of_any_size(tmp_path: Path) -> None:
    file = tmp_path / "users.txt"
    file.write_text("0\n-5\n9223372036854775807\n12.0\n-5\n")
    assert to_list(read_id_list(str(file), SETTING)) == [-5, 0, 12, 9223372036854775807]


def test_text_ids(tmp_path: Path) -> None:
    file = tmp_path / "users.txt"
    file.write_text("anna\n007\n<b>\nanna\n")
    found = to_list(read_id_list(str(file), SETTING, are_text=True))
    assert sorted(found) == ["007", "<b>", "anna"]
    file.write_text("x" * 100_000)
    with pytest.raises(DataError, match="1 lines that are not ids") as raised:
        read_id_list(str(file), SETTING, are_text=True)
    assert len(str(raised.value)) < 1000


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no such file.*recommend\.deny_movies"):
        read_id_list(str(tmp_path / "users.txt"), SETTING)
