"""Fields in quotes: separators, doubled or escaped quotes and line ends may stand inside them."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from enum import Enum

MAX_RECORD_LINES = 1000
MAX_RECORD_BYTES = 1024 * 1024


class Ending(Enum):
    """How a record ended."""

    CLOSED = "at a line end"
    OPEN = "inside a quoted field"
    WRONG = "at a field that goes on after its closing quote"


@dataclass(frozen=True)
class Quoting:
    """How the fields of a line are told apart.

    Attributes:
        separator: The text between two fields.
        quote: The character around fields that may hold separators; None if there is none. Inside,
            it is doubled or escaped.
        escape: The character that makes the next one ordinary; None if there is none.
    """

    separator: bytes
    quote: bytes | None = None
    escape: bytes | None = None

    def split(self, line: bytes) -> list[bytes] | None:
        """Return the fields of a line without their quotes; None if the quotes are not valid."""
        if self.escape is None and (self.quote is None or self.quote not in line):
            return line.split(self.separator)
        fields, _, ending = self.read_record(line)
        return fields if ending is Ending.CLOSED else None

    def read_record(self, text: bytes, start: int = 0) -> tuple[list[bytes], int, Ending]:
        """Return the fields of the record that begins at `start`, where it ends, and how.

        A record is a line, together with the lines that its quoted fields go over. It is not
        followed over more than MAX_RECORD_BYTES.
        """
        patterns, position, limit = _patterns(self), start, start + MAX_RECORD_BYTES
        fields: list[bytes] = []
        while True:
            if self.quote is not None and text.startswith(self.quote, position):
                body = patterns.quoted.match(text, position + 1, limit)
                position = body.end() if body else position
                if not text.startswith(self.quote, position) or position >= limit:
                    return fields, position, Ending.OPEN
                position += 1
                inside = body.group() if body else b""
                fields.append(self._unescape(inside.replace(self.quote * 2, self.quote)))
            else:
                plain = patterns.plain.match(text, position)
                position = plain.end() if plain else position
                fields.append(self._unescape(plain.group().removesuffix(b"\r") if plain else b""))
            if patterns.line_end.match(text, position):
                return fields, position, Ending.CLOSED
            if not text.startswith(self.separator, position):
                return fields, position, Ending.WRONG
            position += len(self.separator)

    def is_regular(self, lines: bytes) -> bool:
        """Return whether each quoted field of these lines is closed on its line, at its end."""
        if self.quote is None or self.quote not in lines:
            return True
        patterns = _patterns(self)
        return patterns.opening.search(patterns.closed.sub(b"", lines)) is None

    def _unescape(self, text: bytes) -> bytes:
        if self.escape is None or self.escape not in text:
            return text
        return _patterns(self).escaped.sub(rb"\1", text)


@dataclass(frozen=True)
class _Patterns:
    """Attributes:
    quoted: What stands between quotes.
    plain: A field without quotes.
    line_end: The end of a line.
    closed: A quoted field that is closed on its line.
    opening: The quote that opens a field.
    escaped: An escaped character.
    """

    quoted: re.Pattern[bytes]
    plain: re.Pattern[bytes]
    line_end: re.Pattern[bytes]
    closed: re.Pattern[bytes]
    opening: re.Pattern[bytes]
    escaped: re.Pattern[bytes]


@functools.cache
def _patterns(how: Quoting) -> _Patterns:
    mark = re.escape(how.separator)
    quote = re.escape(how.quote or b"\0")
    escape = re.escape(how.escape) if how.escape else b""
    pair = quote * 2 + (rb"|" + escape + rb"[\s\S]" if escape else b"")
    before, after = rb"(?:^|(?<=" + mark + rb"))", rb"(?=" + mark + rb"|\r?$)"

    def inside(also: bytes) -> bytes:
        one = rb"[^" + quote + escape + also + rb"]*"
        return one + rb"(?:(?:" + pair + rb")" + one + rb")*"

    plain = rb"(?:(?!" + mark + rb")[^\n" + escape + rb"]"
    plain += rb"|" + escape + rb"[^\n])*" if escape else rb")*"
    return _Patterns(
        quoted=re.compile(inside(b"")),
        plain=re.compile(plain),
        line_end=re.compile(rb"\r?(?:\n|\Z)"),
        closed=re.compile(rb"(?m)" + before + quote + inside(rb"\n") + quote + after),
        opening=re.compile(rb"(?m)" + before + quote),
        escaped=re.compile(escape + rb"([\s\S])"),
    )
