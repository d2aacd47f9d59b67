"""What a file of separated fields looks like: separator, quotes, encoding, line of names."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from recspark.config.table import TableConfig
from recspark.tables.fields import is_utf8
from recspark.tables.header_names import find_column, is_position, suggest_columns
from recspark.tables.quotes import Quoting
from recspark.text.names import without_compression

_SEPARATORS = ("\t", "::", ",", ";", "|", "\x01", " ")
_EXPECTED = {".tsv": "\t", ".tab": "\t", ".inter": "\t", ".csv": ",", ".psv": "|"}
_NAMES = {"\t": "a tab", ",": "a comma", ";": "a semicolon", " ": "a space", "\x01": "Ctrl-A"}
# What Excel writes above a table to name the separator.
_SEP_LINE = re.compile(rb'"?sep=(.{1,4}?)"?\r?', re.IGNORECASE)
_NUM_LINES = 200
_NUMBER = re.compile(r"\s*[+-]?(\d[\d.,]*|\.\d+)([eE][+-]?\d+)?\s*")


@dataclass(frozen=True)
class Dialect:
    """The form of a file.

    Attributes:
        quoting: How the fields of a line are told apart.
        encoding: The encoding of the text.
        names: The names of the columns; None if no line holds them.
        headers: The lines above the first row, as they are in the file, decoded to UTF-8.
        num_columns: Number of fields on a line.
        reasons: Why each guessed part is as it is, e.g. `separator` → `200 of 200 lines have 4`.
    """

    quoting: Quoting
    encoding: str
    names: list[str] | None
    headers: tuple[bytes, ...]
    num_columns: int
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def separator_name(self) -> str:
        """The separator in words."""
        text = self.quoting.separator.decode()
        return _NAMES.get(text, text)

    def describe(self) -> str:
        """Return the dialect and why it was guessed, on one line."""
        quote = self.quoting.quote.decode() if self.quoting.quote else "none"
        parts = {
            "separator": self.separator_name,
            "quote": f"{quote}{' with escapes' if self.quoting.escape else ''}",
            "header": "no" if self.names is None else "yes",
            "encoding": self.encoding,
        }
        return ", ".join(
            f"{name} {value}{f' ({self.reasons[name]})' if name in self.reasons else ''}"
            for name, value in parts.items()
        )


def guess_dialect(start: bytes, settings: TableConfig, name: str) -> Dialect:
    """Return the form of a file; settings that are set are taken as they are.

    Args:
        start: Its first whole lines.
        settings: What is known.
        name: Its name.
    """
    reasons: dict[str, str] = {}
    encoding = settings.encoding or _guess_encoding(start, reasons)
    text = start if encoding == "utf-8" else start.decode(encoding, "backslashreplace").encode()
    lines = [line.removesuffix(b"\r") for line in text.split(b"\n")[:_NUM_LINES]]
    above = [lines[0]] if lines and _SEP_LINE.fullmatch(lines[0]) else []
    lines = [line for line in lines[len(above) :] if line.strip()]
    separator = (settings.separator or "").replace("\\t", "\t").encode()
    if not separator and above:
        match = _SEP_LINE.fullmatch(above[0])
        separator = match[1] if match else b","
        reasons["separator"] = "its first line says so"
    quote = settings.quote.encode() if settings.quote else None
    escape = settings.escape.encode() if settings.escape else None
    if not separator:
        separator = _guess_separator(lines, quote, settings, name, reasons)
    if escape is None:
        escape = _guess_escape(lines, Quoting(separator, quote), reasons)
    quoting = Quoting(separator, quote, escape)
    rows = [row for row in map(quoting.split, lines) if row is not None]
    if not rows:
        return Dialect(quoting, encoding, None, tuple(above), 1, reasons)
    first = [cell.decode("utf-8", "backslashreplace") for cell in rows[0]]
    has_header = settings.header
    if has_header == "auto":
        has_header = _guess_header(first, rows[1:], settings, reasons)
    usual = Counter(map(len, rows[1:])).most_common(1)[0][0] if rows[1:] else len(first)
    if not has_header:
        return Dialect(quoting, encoding, None, tuple(above), usual, reasons)
    headers = (*above, lines[0])
    names = first
    while len(names) > 1 and not names[-1].strip():
        names = names[:-1]  # a separator at the end of each line
    if usual == len(first) + 1 and not any(len(row) == len(first) for row in rows[1:]):
        surplus = [row[-1].strip() for row in rows[1:] if len(row) == usual]
        if all(surplus):
            names = ["", *first]  # R leaves the name of the first column, the row names, out
    return Dialect(quoting, encoding, names, headers, len(names), reasons)


def is_number(text: str) -> bool:
    """Return whether a field is a number."""
    return _NUMBER.fullmatch(text) is not None


def _guess_encoding(start: bytes, reasons: dict[str, str]) -> str:
    if is_utf8(start):
        return "utf-8"
    reasons["encoding"] = "it is not UTF-8"
    return "cp1252"


def _guess_separator(
    lines: Sequence[bytes],
    quote: bytes | None,
    settings: TableConfig,
    name: str,
    reasons: dict[str, str],
) -> bytes:
    """Return the separator with which the first line has the columns wanted, or lines agree."""
    wanted = settings.columns.values()
    suffix = posixpath.splitext(without_compression(name.lower()))[1]
    best, best_score = b",", (0.0, 0.0, 0.0, 0.0)
    for place, text in enumerate(_SEPARATORS):
        separator = text.encode()
        rows = [Quoting(separator, quote).split(line) or line.split(separator) for line in lines]
        if not rows or (len(rows[0]) < 2 and max(map(len, rows)) < 2):
            continue
        usual, count = Counter(map(len, rows[1:] or rows)).most_common(1)[0]
        if usual < 2:
            continue
        names = [cell.decode("utf-8", "replace") for cell in rows[0]]
        num_found = sum(
            find_column(names, one) is not None for one in wanted if not is_position(one)
        )
        num_known = len(suggest_columns(names))
        share = count / len(rows[1:] or rows)
        fits = min(usual, len(wanted)) / len(wanted)
        expected = _EXPECTED.get(suffix) == text
        score = (num_found, round(share * fits, 1), num_known + expected, -place)
        if score > best_score or best_score == (0.0, 0.0, 0.0, 0.0):
            best, best_score = separator, score
            reasons["separator"] = f"{count} of {len(rows[1:] or rows)} lines have {usual} fields"
    return best


def _guess_escape(
    lines: Sequence[bytes], quoting: Quoting, reasons: dict[str, str]
) -> bytes | None:
    """Return a backslash if quotes in quoted fields are escaped by one, as Spark writes them."""
    if quoting.quote is None or not any(b"\\" + quoting.quote in line for line in lines):
        return None
    escaped = Quoting(quoting.separator, quoting.quote, b"\\")
    doubled_fits = sum(quoting.is_regular(line) for line in lines)
    if sum(escaped.is_regular(line) for line in lines) <= doubled_fits:
        return None
    reasons["quote"] = "quotes in fields follow a backslash"
    return b"\\"


def _guess_header(
    first: Sequence[str],
    rows: Sequence[Sequence[bytes]],
    settings: TableConfig,
    reasons: dict[str, str],
) -> bool:
    """Return whether the first line names columns: it has names wanted, or no numbers."""
    by_name = [one for one in settings.columns.values() if not is_position(one)]
    if any(find_column(first, one) is not None for one in by_name):
        return True
    filled = [cell for cell in first if cell.strip()]
    if any(is_number(cell) for cell in filled):
        reasons["header"] = "the first line holds numbers"
        return False
    if len(suggest_columns(first)) >= 2:
        return True
    for place in range(len(first)):
        cells = [row[place].decode("utf-8", "replace") for row in rows if place < len(row)]
        if cells and sum(map(is_number, cells)) >= 0.9 * len(cells):
            reasons["header"] = f"the first line has no number in column {place + 1}"
            return True
    has_digits = any(character.isdigit() for cell in first for character in cell)
    reasons["header"] = "the first line is " + ("like the others" if has_digits else "words only")
    return not has_digits and bool(by_name)
