from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path

import pyarrow as pa
import pytest

from recspark.errors import DataError
from recspark.text.kinds import require_text
from recspark.text.names import is_about, is_clutter, matches, partitions_of
from recspark.text.ranges import plan_ranges, read_pieces
from recspark.text.sources import is_misnamed, is_splittable, open_text
from tests.ingest.sources import source_of

TEXT = "user,item\n1,Café\n2,b\n".encode()


def zstd(data: bytes, kind: str = "zstd") -> bytes:
    target = pa.BufferOutputStream()
    with pa.CompressedOutputStream(target, kind) as stream:
        stream.write(data)
    return bytes(target.getvalue().to_pybytes())


FORMS = {
    "gz": gzip.compress(TEXT),
    "bz2": bz2.compress(TEXT),
    "xz": lzma.compress(TEXT),
    "zst": zstd(TEXT),
    "lz4": zstd(TEXT, "lz4"),
}


def read(path: Path) -> bytes:
    with open_text(source_of(path)) as file:
        return file.read()


def lines_of(path: Path, split_bytes: int) -> bytes:
    tasks = plan_ranges([source_of(path)], split_bytes)
    return b"".join(text for task in tasks for one in task for _, text in read_pieces(one))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("suffix", [True, False])
def test_compression_is_told_by_the_first_bytes(tmp_path: Path, form: str, suffix: bool) -> None:
    path = tmp_path / (f"a.csv.{form}" if suffix else "a.csv")
    path.write_bytes(FORMS[form])
    assert read(path) == TEXT
    assert not is_splittable(source_of(path))
    assert is_misnamed(source_of(path)) is not suffix
    assert lines_of(path, 5) == TEXT


@pytest.mark.parametrize("form", FORMS)
def test_several_streams_in_a_file_are_read_as_one(tmp_path: Path, form: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(FORMS[form] * 2)
    assert read(path) == TEXT * 2


@pytest.mark.parametrize("form", FORMS)
def test_compressed_data_that_is_cut_off_is_named(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"a.csv.{form}"
    path.write_bytes(FORMS[form][:-6])
    with pytest.raises(DataError, match=rf"a\.csv\.{form}: found damaged \w+ data"):
        read(path)


def test_a_gz_that_holds_text_is_read_and_one_that_holds_rubbish_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(TEXT)
    assert read(path) == TEXT
    assert is_misnamed(source_of(path))
    assert is_splittable(source_of(path))
    path.write_bytes(b"\x00\x01\x02" + TEXT)
    with pytest.raises(DataError, match=r"a\.csv\.gz: found damaged compressed data"):
        read(path)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("is_compressed", [True, False])
def test_utf_16_is_read_as_utf_8(tmp_path: Path, encoding: str, is_compressed: bool) -> None:
    path = tmp_path / "a.csv"
    data = ("\ufeff" + TEXT.decode()).encode(encoding)
    path.write_bytes(gzip.compress(data) if is_compressed else data)
    assert read(path) == TEXT
    assert not is_splittable(source_of(path))
    assert lines_of(path, 5) == TEXT
    path.write_bytes(data[:-1])
    with pytest.raises(DataError, match="damaged UTF-16 text"):
        read(path)


def test_text_that_begins_like_bzip2_is_text(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"BZh9,item\n1,2\n")
    assert read(path) == b"BZh9,item\n1,2\n"


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"PK\x03\x04....xl/workbook.xml", r"an Excel workbook \(\.xlsx\), expected text\. Save"),
        (b"PK\x03\x04....ratings.csv", "a zip archive"),
        (b"%PDF-1.4", "a PDF"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"SQLite format 3\x00", "an SQLite database"),
        (b"\x80\x04\x95", "a Python pickle"),
        (b"PAR1\x15", "a Parquet file"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "git lfs pull"),
        (b"1,2\x00\x00", "binary data"),
    ],
)
def test_what_is_not_text_is_named(start: bytes, what: str) -> None:
    with pytest.raises(DataError, match=rf"^a\.csv: .*{what}"):
        require_text("a.csv", start)


def test_text_passes() -> None:
    require_text("a.csv", TEXT)
    require_text("a.csv", "<id>,é\n".encode())


def test_names() -> None:
    pattern = r"u\.data|.+\.csv"
    for name in ("a.CSV", "x/u.data", "u.data.gz", "a.csv.BZ2", "a.csv.gzip", "dir.txt/a.csv.zst"):
        assert matches(name, pattern), name
    for name in ("a.txt", "a.csv/b.txt", "xu.data", "a.csv.zip"):
        assert not matches(name, pattern), name
    for name in ("__MACOSX/._a.csv", "a/.DS_Store", ".", "_SUCCESS", ".a.csv.crc", "a.csv~",
                 ".ipynb_checkpoints/a.csv", "x/_temporary/0/a.csv"):  # fmt: skip
        assert is_clutter(name), name
    for name in ("./a.csv", "a/b.csv", "../a.csv", "_data/a.csv", "a.b/c_d.csv"):
        assert not is_clutter(name), name
    for name in ("README", "x/readme.txt", "LICENSE.txt", "about.md"):
        assert is_about(name), name
    assert not is_about("readmes.csv.d/ratings.csv")


def test_partitions_are_the_folders_of_the_form_column_value() -> None:
    assert partitions_of("/d/year=2005/country=C%C3%B4te d%27Ivoire/a=b.csv") == {
        "year": "2005",
        "country": "Côte d'Ivoire",
    }
    assert partitions_of("/d/x.zip!year=__HIVE_DEFAULT_PARTITION__/a.csv") == {"year": ""}
    assert partitions_of("/d/a.csv") == {}
