from __future__ import annotations

import io
import logging
import zipfile
from pathlib import Path

import pytest

from recspark.errors import DataError
from recspark.ingest.inputs import find_files, open_files, split_paths
from recspark.text.archives import Archives

PATTERN = r".+\.(csv|parquet)"


def write(folder: Path, *names: str, data: str = "1,2\n") -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(data)


def found(folder: Path, *settings: str, pattern: str | None = PATTERN) -> list[str]:
    """Return the names, relative to the folder, of the sources that settings name."""
    inputs = find_files("ingest.ratings", [str(folder / one) for one in settings], pattern)
    with Archives(str(folder / "scratch"), 10**6) as archives:
        sources = open_files(archives, inputs)
    return [one.name.removeprefix(f"{folder}/") for one in sources]


def test_paths_of_a_setting(tmp_path: Path) -> None:
    write(tmp_path, "a,b.csv")
    assert split_paths("x.csv") == ["x.csv"]
    assert split_paths("x.csv, y.zip!a.csv") == ["x.csv", "y.zip!a.csv"]
    assert split_paths(["x,1.csv", "y.csv"]) == ["x,1.csv", "y.csv"]
    assert split_paths(f"{tmp_path}/a,b.csv") == [f"{tmp_path}/a,b.csv"]
    with pytest.raises(DataError, match=r"ingest\.ratings: found no path"):
        find_files("ingest.ratings", "")


def test_files_folders_and_globs_together_each_file_once(tmp_path: Path) -> None:
    write(tmp_path, "a/2.csv", "a/1.CSV", "b.csv", "c-1", "c-2", "d/x.csv.gz")
    assert found(tmp_path, "b.csv", "a", "c-*", "a/1.CSV") == [
        "b.csv",
        "a/1.CSV",
        "a/2.csv",
        "c-1",
        "c-2",
    ]


def test_links_are_followed_and_one_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "store/0a1b", "data/a.csv")
    (tmp_path / "data" / "b.csv").symlink_to(tmp_path / "store" / "0a1b")
    (tmp_path / "data" / "year=2005").symlink_to(tmp_path / "store2")
    write(tmp_path, "store2/c.csv")
    assert found(tmp_path, "data") == ["data/a.csv", "data/b.csv", "data/year=2005/c.csv"]
    (tmp_path / "data" / "d.csv").symlink_to(tmp_path / "store" / "lost")
    with pytest.raises(DataError, match=r"d\.csv: found a link to a file that is not there"):
        found(tmp_path, "data")


def test_folders_of_partitions_are_searched_and_give_their_values(tmp_path: Path) -> None:
    write(tmp_path, "d/_SUCCESS", "d/year=2005/month=1/p.parquet", "d/year=2006/month=2/p.parquet")
    inputs = find_files("ingest.ratings", str(tmp_path / "d"), PATTERN)
    with Archives(str(tmp_path / "scratch"), 1) as archives:
        sources = open_files(archives, inputs)
    assert [one.partitions for one in sources] == [
        {"year": "2005", "month": "1"},
        {"year": "2006", "month": "2"},
    ]
    assert found(tmp_path, "d/year=2006") == ["d/year=2006/month=2/p.parquet"]
    assert found(tmp_path, "d/year=*") == found(tmp_path, "d")


def test_what_is_not_read_is_told_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, "d/a.csv", "d/README.txt", "d/notes.docx", "d/old/a.csv", "d/_SUCCESS")
    write(tmp_path, "d/b.csv", data="")
    with caplog.at_level(logging.WARNING):
        assert found(tmp_path, "d") == ["d/a.csv"]
    d = tmp_path / "d"
    assert caplog.messages == [
        f"ingest.ratings: passed over {d}/README.txt, {d}/notes.docx, {d}/old/, {d}/b.csv (empty)"
    ]


def test_nothing_but_empty_files_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "b.csv", data="")
    with pytest.raises(DataError, match=r"a\.csv: found nothing but empty files"):
        found(tmp_path, "*.csv")
    with pytest.raises(DataError, match=r"a\.csv: found an empty file, expected text"):
        found(tmp_path, "a.csv")


def test_members_of_an_archive(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as zipped:
        for name, text in (
            ("__MACOSX/._a.csv", "\x00\x05"),
            ("README.csv", "about"),
            ("empty.csv", ""),
            ("year=2005/A.CSV", "1,2\n"),
        ):
            zipped.writestr(name, text)
    (tmp_path / "x.zip").write_bytes(data.getvalue())
    assert found(tmp_path, "x.zip") == ["x.zip!year=2005/A.CSV"]
    assert caplog.messages == [f"ingest.ratings: passed over {tmp_path}/x.zip!empty.csv (empty)"]
    with pytest.raises(DataError, match=r"x\.zip!empty\.csv: found an empty file"):
        found(tmp_path, "x.zip!empty.csv")


def test_what_is_not_text_is_refused_and_a_wrong_suffix_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, "a.csv.gz")
    assert found(tmp_path, "a.csv.gz") == ["a.csv.gz"]
    assert caplog.messages == [
        f"ingest.ratings: read by what they hold, not by their names: {tmp_path}/a.csv.gz"
    ]
    (tmp_path / "b.csv").write_bytes(b"PK\x03\x04...xl/workbook.xml")
    with pytest.raises(DataError, match=r"b\.csv: found an Excel workbook"):
        found(tmp_path, "b.csv")


def test_a_path_that_names_nothing_says_what_is_there(tmp_path: Path) -> None:
    write(tmp_path, "d/a.xlsx")
    with pytest.raises(DataError, match=r"a directory without such files \(.*a\.xlsx\)"):
        found(tmp_path, "d")
    with pytest.raises(DataError, match="no file, expected a file"):
        found(tmp_path, "none.csv")
    with pytest.raises(DataError, match="found a directory, expected a file"):
        found(tmp_path, "d", pattern=None)


def test_what_only_spark_reads_points_to_it(tmp_path: Path) -> None:
    write(tmp_path, "orc/part-0.orc", "shop/part-0.parquet", "shop/_delta_log/0.json")
    with pytest.raises(DataError, match=r"spark: \{format: orc, paths: .*/orc\}"):
        found(tmp_path, "orc")
    with pytest.raises(DataError, match=r"a table of delta.*spark: \{format: delta"):
        found(tmp_path, "shop")
