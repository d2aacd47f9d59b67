"""Finding the raw files and refusing, with the remedy, what cannot be what the config says."""

from __future__ import annotations

import gzip
import posixpath
import re

from recspark import storage
from recspark.errors import DataError, describe
from recspark.ingest.formats import FORMATS, Format
from recspark.storage import FileInfo

SAMPLE_BYTES = 16 * 1024
_BINARY = {
    b"PK\x03\x04": "a zip archive",
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "gzip data",
    b"BZh": "bzip2 data",
    b"\xfd7zXZ": "xz data",
    b"%PDF": "a PDF",
}


def find_files(option: str, pattern: str, layout: Format | None = None) -> list[FileInfo]:
    """Return the files that a setting names, by path.

    Args:
        option: The setting, for messages, e.g. `ingest.ratings`.
        pattern: Its value: a file, a folder (only with a layout) or a glob.
        layout: With a folder, the files whose names fit this layout are taken.

    Raises:
        DataError: Nothing is there, a folder holds no such file, or a file is empty.
    """
    fs, stripped = storage.filesystem(pattern) if pattern else (None, "")
    if fs is None:
        raise DataError(
            describe(option, found="no path", expected="one", remedy=f"Set {option} in the config.")
        )
    is_folder = fs.isdir(stripped)
    files = storage.list_files(pattern) if layout or not is_folder else []
    if is_folder and layout:
        files = [
            file
            for file in files
            if re.fullmatch(layout.file_pattern, posixpath.basename(file.path))
        ]
    if not files:
        found = "no file"
        if is_folder:
            found = "a directory without files of that name" if layout else "a directory"
        expected = f"files named {layout.file_pattern}" if is_folder and layout else "a file"
        raise DataError(
            describe(
                f"{option} {pattern}", found=found, expected=expected, remedy=f"Correct {option}."
            )
        )
    for file in files:
        if file.size == 0:
            raise DataError(
                describe(
                    file.path,
                    found="an empty file",
                    expected="text",
                    remedy="Fetch it again, or take it out of the folder.",
                )
            )
    return files


def check_format(file: FileInfo, name: str) -> None:
    """Raise a DataError if a file's beginning does not look like the format `name`.

    One line in two is enough: damaged lines are for the parser to refuse.
    """
    start = _beginning(file.path)
    looks_like = next((what for magic, what in _BINARY.items() if start.startswith(magic)), None)
    if looks_like is None and b"\x00" in start:
        looks_like = "binary data"
    shares = {} if looks_like else {other: _share(start, FORMATS[other]) for other in FORMATS}
    if shares.get(name, 0.0) >= 0.5:
        return
    best = max(shares, key=lambda other: shares[other], default=name)
    remedy = f"Point ingest.ratings at {name} text, or change ingest.format."
    if shares.get(best, 0.0) >= 0.5:
        looks_like, remedy = f"text of format {best}", f"Set ingest.format to {best}."
    first = start.split(b"\n", 1)[0][:60].decode("utf-8", "backslashreplace")
    raise DataError(
        describe(
            f"{file.path}:1",
            found=looks_like or f"{first!r}",
            expected=f"lines like {FORMATS[name].example}",
            remedy=remedy,
        )
    )


def _beginning(path: str) -> bytes:
    fs, stripped = storage.filesystem(path)
    with fs.open(stripped, "rb") as file:
        if not path.endswith(".gz"):
            return bytes(file.read(SAMPLE_BYTES))
        try:
            with gzip.open(file) as stream:
                return stream.read(SAMPLE_BYTES)
        except (OSError, EOFError) as error:
            raise DataError(
                describe(
                    path,
                    found=f"damaged gzip data ({error})",
                    expected="a whole .gz file",
                    remedy="Fetch it again.",
                )
            ) from error


def _share(start: bytes, layout: Format) -> float:
    """Return the share of the beginning's whole lines that a layout understands."""
    whole = start[: start.rfind(b"\n") + 1] or start
    # A damaged header must not hide that the rest fits: rows below none are counted by movie 1.
    parsed = layout.parse_lines(whole, 1)
    understood = parsed.num_lines - len(parsed.rejects)
    return understood / max(parsed.num_lines, 1)
