"""Finds the raw files, and refuses those that cannot be what the config says they are."""

from __future__ import annotations

import fnmatch
import posixpath
import re

from recspark.errors import DataError, describe
from recspark.files import storage
from recspark.files.storage import FileInfo
from recspark.ingest.formats import FORMATS, Format
from recspark.text.archives import Archives, is_archive
from recspark.text.sources import Source, open_text

SAMPLE_BYTES = 16 * 1024
_BINARY = {
    b"PK\x03\x04": "a zip archive",
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "gzip data",
    b"BZh": "bzip2 data",
    b"\xfd7zXZ": "xz data",
    b"%PDF": "a PDF",
}


def split_member(pattern: str) -> tuple[str, str | None]:
    """Return (path, member) of `archive.zip!member`; the member is None if none is named."""
    path, mark, member = pattern.partition("!")
    return (path, member) if mark and is_archive(path) else (pattern, None)


def find_files(option: str, setting: str, file_pattern: str | None = None) -> list[FileInfo]:
    """Return the files that a setting names, by path; for `archive!member`, the archives.

    Args:
        option: The setting's name, for messages, e.g. `ingest.ratings`.
        setting: Its value: a file, a folder (only with a file pattern) or a glob.
        file_pattern: Regular expression for the names of the files to take from a folder.

    Raises:
        DataError: The path does not exist, a folder holds no such file, or a file is empty.
    """
    pattern, _ = split_member(setting)
    fs, stripped = storage.filesystem(pattern) if pattern else (None, "")
    if fs is None:
        raise DataError(
            describe(option, found="no path", expected="one", remedy=f"Set {option} in the config.")
        )
    is_folder = fs.isdir(stripped)
    files = storage.list_files(pattern) if file_pattern or not is_folder else []
    if is_folder and file_pattern:
        files = [
            file for file in files if re.fullmatch(file_pattern, posixpath.basename(file.path))
        ]
    if not files:
        found = "no file"
        if is_folder:
            found = "a directory without such files" if file_pattern else "a directory"
        expected = f"files named {file_pattern}" if is_folder and file_pattern else "a file"
        raise DataError(
            describe(
                f"{option} {pattern}", found=found, expected=expected, remedy=f"Correct {option}."
            )
        )
    for file in files:
        _require_content(file.path, file.size)
    return files


def open_files(
    archives: Archives,
    option: str,
    setting: str,
    files: list[FileInfo],
    file_pattern: str | None = None,
) -> list[Source]:
    """Return the raw files among `files` (from `find_files`), those in archives included.

    Args:
        archives: Unpacks the members of archives where needed.
        option: The setting's name, for messages.
        setting: Its value; `archive!member` names a file in an archive by its path in there, by the
            end of that path, or by a glob.
        files: What `find_files` returned for it.
        file_pattern: Regular expression for the names of the members to take if none is named.

    Raises:
        DataError: As `Archives.find_members`; or no member of an archive matches, or a file is
            empty.
    """
    _, member = split_member(setting)

    def is_wanted(path: str) -> bool:
        if member is None:
            return bool(re.fullmatch(file_pattern or "", posixpath.basename(path)))
        # Case matters, and * also matches /, so a glob and the end of a path both work.
        return fnmatch.fnmatchcase(f"/{path}", f"*/{member.lstrip('/')}")

    sources: list[Source] = []
    for file in files:
        source = Source.of(file)
        if not is_archive(file.path):
            sources.append(source)
            continue
        members = archives.find_members(source, is_wanted)
        if not members:
            raise DataError(
                describe(
                    f"{option} {file.path}",
                    found="no such file in the archive",
                    expected=member
                    or (f"files named {file_pattern}" if file_pattern else "a name"),
                    remedy=f"Name one: {option}: {posixpath.basename(file.path)}!name-or-glob.",
                )
            )
        for one in members:
            _require_content(one.name, one.size)
        sources += members
    return sources


def open_one(archives: Archives, option: str, setting: str, file: FileInfo) -> Source:
    """Return the one raw file that a setting names; more than one is a DataError.

    Otherwise as `open_files`.
    """
    sources = open_files(archives, option, setting, [file])
    if len(sources) > 1:
        raise DataError(
            describe(
                f"{option} {setting}",
                found=f"{len(sources)} files: {sources[0].name}, {sources[1].name}",
                expected="one",
                remedy=f"Name one of them in {option} by its full path in the archive.",
            )
        )
    return sources[0]


def _require_content(name: str, size: int) -> None:
    if size == 0:
        raise DataError(
            describe(
                name,
                found="an empty file",
                expected="text",
                remedy="Fetch it again, or remove it from the folder.",
            )
        )


def check_format(source: Source, name: str) -> None:
    """Raise a DataError if the start of a file does not look like the format `name`.

    Half of its lines must parse; refusing single damaged lines is left to the parser.
    """
    with open_text(source) as file:
        start = file.read(SAMPLE_BYTES)
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
            f"{source.name}:1",
            found=looks_like or f"{first!r}",
            expected=f"lines like {FORMATS[name].example}",
            remedy=remedy,
        )
    )


def _share(start: bytes, layout: Format) -> float:
    """Return the share of the whole lines in `start` that a layout can parse."""
    whole = start[: start.rfind(b"\n") + 1] or start
    # Movie 1 is assumed above the text: a damaged header must not hide that the rest parses.
    parsed = layout.parse_lines(whole, 1)
    num_understood = parsed.num_lines - len(parsed.rejects)
    return num_understood / max(parsed.num_lines, 1)
