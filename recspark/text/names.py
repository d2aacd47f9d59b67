"""What the name of a raw file says: whether it is data at all, compressed, or an archive."""

from __future__ import annotations

import posixpath
import re
from urllib.parse import unquote

ARCHIVES = (".zip", ".tar", *(f".tar.{one}" for one in ("gz", "bz2", "xz", "zst")))
ARCHIVES += (".tgz", ".tbz2", ".txz", ".tzst")

_COMPRESSED = re.compile(r"\.(gz|gzip|bz2|xz|zst|zstd|lz4)$", re.IGNORECASE)
# What systems and tools leave in folders and archives: nobody expects it to be read or reported.
_CLUTTER_FILE = re.compile(r"([._].*|.*\.crc|.*~|thumbs\.db|desktop\.ini|)", re.IGNORECASE)
_CLUTTER_FOLDER = re.compile(r"\.(?!\.?$).*|__MACOSX|_temporary")
_ABOUT = re.compile(
    r"(readme|licen[cs]e|copying|notice|changelog|authors|citation)\b[^/]*|[^/]*\.(md|rst)",
    re.IGNORECASE,
)
_PARTITION = re.compile(r"([^/!=]+)=([^/!]*)[/!]")
# How Hive writes a missing value of a partition column.
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def is_archive(path: str) -> bool:
    """Return whether a file is an archive, judged by its name."""
    return path.lower().endswith(ARCHIVES)


def is_clutter(path: str) -> bool:
    """Return whether a file is one that systems add: hidden, `_SUCCESS`, `__MACOSX/…`, `.crc`.

    Args:
        path: Its path inside the folder or archive.
    """
    *folders, name = path.split("/")
    return bool(_CLUTTER_FILE.fullmatch(name)) or any(map(_CLUTTER_FOLDER.fullmatch, folders))


def is_about(path: str) -> bool:
    """Return whether a file is about the data, as README.txt, LICENSE and *.md are."""
    return _ABOUT.fullmatch(posixpath.basename(path)) is not None


def without_compression(path: str) -> str:
    """Return a name without the suffix of its compression, such as .gz."""
    return _COMPRESSED.sub("", path)


def matches(path: str, pattern: str) -> bool:
    """Return whether a file has a name that a regular expression describes.

    The case of letters and the suffix of a compression do not matter, and neither do folders.
    """
    name = posixpath.basename(path)
    return any(
        re.fullmatch(pattern, one, re.IGNORECASE) for one in (name, without_compression(name))
    )


def partitions_of(path: str) -> dict[str, str]:
    """Return the partition columns that folders named `column=value` give, as Hive writes them.

    A missing value is empty.
    """
    found = {unquote(key): unquote(value) for key, value in _PARTITION.findall(path)}
    return {key: "" if value == _NO_VALUE else value for key, value in found.items()}
