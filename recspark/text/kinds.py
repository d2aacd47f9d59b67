"""What a file is, by its first bytes: compressed data, an encoding of text, or no text at all."""

from __future__ import annotations

from recspark.errors import DataError, describe

NUM_BYTES = 4096  # of a file's start that tell its kind

COMPRESSIONS = {
    "gzip": b"\x1f\x8b",
    "bz2": b"BZh",
    "xz": b"\xfd7zXZ\x00",
    "zstd": b"\x28\xb5\x2f\xfd",
    "lz4": b"\x04\x22\x4d\x18",
}
ENCODINGS = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}
PARQUET = b"PAR1"

# After BZh and the size of its blocks come π or, in an empty file, the square root of π.
_BZ2_BLOCKS = (b"1AY&SY", b"\x17rE8P\x90")
_AS_CSV = "Save it as CSV or Parquet."
_UNPACK = "Unpack it, and name the files in it."
_NOT_TEXT = {
    PARQUET: ("a Parquet file", "Give it a name that ends in .parquet."),
    b"PK\x03\x04": ("a zip archive", "Give it a name that ends in .zip."),
    b"%PDF": ("a PDF", _AS_CSV),
    b"\x89HDF\r\n\x1a\n": ("an HDF5 file", "Write it as Parquet: pandas.read_hdf, to_parquet."),
    b"SQLite format 3\x00": ("an SQLite database", "Export the table as CSV."),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": ("an Excel workbook (.xls)", _AS_CSV),
    b"ORC": ("an ORC file", "Set ingest.format: spark and ingest.spark.format: orc."),
    b"Obj\x01": ("an Avro file", "Set ingest.format: spark and ingest.spark.format: avro."),
    b"ARROW1\x00\x00": ("an Arrow file", "Write it as Parquet: pandas.read_feather, to_parquet."),
    b"FEA1": ("a Feather file", "Write it as Parquet: pandas.read_feather, to_parquet."),
    b"\x93NUMPY": ("a NumPy array", "Write it as CSV or Parquet."),
    b"RDX": ("R data", "In R, write it with write.csv."),
    b"X\n\x00\x00\x00": ("R data", "In R, write it with write.csv."),
    b"MATLAB 5.0": ("a MATLAB file", "Write it as CSV or Parquet."),
    b"$FL2": ("an SPSS file", _AS_CSV),
    b"<stata_dta>": ("a Stata file", _AS_CSV),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", _UNPACK),
    b"Rar!\x1a\x07": ("a RAR archive", _UNPACK),
    **{
        bytes([0x80, protocol]): ("a Python pickle", "Write it as CSV or Parquet.")
        for protocol in range(2, 6)
    },
    b"version https://git-lfs": ("a pointer of Git LFS", "Fetch the file itself: git lfs pull."),
    b"/annex/objects/": ("a pointer of git-annex", "Fetch the file itself: git annex get."),
    b"<!doctype html": ("a web page", "Fetch the file again: this is a page about it."),
    b"<html": ("a web page", "Fetch the file again: this is a page about it."),
}
_IN_ZIP = {
    b"xl/": ("an Excel workbook (.xlsx)", _AS_CSV),
    b"[Content_Types].xml": ("an Office document", _AS_CSV),
    b"opendocument.spreadsheet": ("an OpenDocument spreadsheet", _AS_CSV),
    b".npy": ("NumPy arrays (.npz)", "Write them as CSV or Parquet."),
}


def find_compression(start: bytes) -> str | None:
    """Return the compression of data that begins like this, a key of `COMPRESSIONS`, or None."""
    kind = next((name for name, magic in COMPRESSIONS.items() if start.startswith(magic)), None)
    if kind == "bz2" and start[4:10] not in _BZ2_BLOCKS:
        return None  # text may begin with BZh
    return kind


def find_encoding(start: bytes) -> str | None:
    """Return a key of `ENCODINGS` for text that begins with that byte order mark, or None."""
    return next((name for name, mark in ENCODINGS.items() if start.startswith(mark)), None)


def require_text(name: str, start: bytes) -> None:
    """Raise a DataError that says what a file is if its first bytes are not text.

    Args:
        name: The file, for the message.
        start: Its first bytes, decompressed and as UTF-8.
    """
    found = _name_kind(start)
    if found:
        what, remedy = found
        raise DataError(describe(name, found=what, expected="text", remedy=remedy))


def _name_kind(start: bytes) -> tuple[str, str] | None:
    """Return (what it is, what to do) for data that is not text."""
    begins = start.lower() if start[:1] == b"<" else start
    for magic, kind in _NOT_TEXT.items():
        if begins.startswith(magic):
            inside = (other for mark, other in _IN_ZIP.items() if mark in start)
            return next(inside, kind) if magic.startswith(b"PK") else kind
    if b"\x00" in start:
        return "binary data", "Point the setting at text, Parquet or an archive."
    return None
