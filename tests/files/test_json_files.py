from __future__ import annotations

from pathlib import Path

import pytest

from recspark.errors import DataError
from recspark.files.json_files import require_json


def read(path: Path) -> object:
    return require_json(str(path), expected="a card", remedy="Write it.")


def test_whole_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text('{"a": [1, "é"]}', encoding="utf-8")
    assert read(tmp_path / "card.json") == {"a": [1, "é"]}


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (None, "no such file"),
        (b'{"a": [1, ', "a damaged file"),
        (b"", "a damaged file"),
        (b"\xff\xfe\xe9\x00", "a damaged file"),
    ],
)
def test_missing_and_damaged_files_are_named(
    tmp_path: Path, content: bytes | None, found: str
) -> None:
    path = tmp_path / "card.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(
        DataError, match=rf"card\.json: found {found}.*expected a card\. Write it\."
    ):
        read(path)
