"""What is shown or stored of other people's text: without credentials or control characters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "***"
MAX_MESSAGE = 20_000
"""Longest message of a log line or an error (characters)."""

# Controls except tabs and line ends, marks that end a line or reverse its direction in some
# programs, and halves of surrogate pairs, as in names of files that are not UTF-8.
CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)

_NAMES = (
    r"(?:secret|passw(?:or)?d|pwd|passphrase|token|credential|signature"
    r"|(?:access|account|api|private)[._-]?key)"
)
# Repeats that could begin anywhere are bounded: otherwise time grows with the square of a long word.
# scheme://user:password@host. An account alone is no secret: abfss://container@account.host/.
_USER_INFO = re.compile(r"([a-z][a-z0-9+.-]{0,30}://)[^\s/@:'\"]*:[^\s/@'\"]+@", re.IGNORECASE)
# name=value, name: value, "name": "value"; also …?X-Amz-Signature=… and …&sig=… of signed URLs.
_ASSIGNED = re.compile(
    rf"""((?:{_NAMES}[\w.-]{{0,200}}|(?<=[?&])sig)["']?\s*[=:]\s*["']?)[^\s"'&,;}})\]]+""",
    re.IGNORECASE,
)
# jdbc:oracle:thin:user/password@host
_ORACLE = re.compile(r"(jdbc:oracle:\w{1,20}:[^/\s@]{0,200}/)[^@\s]{1,500}@", re.IGNORECASE)
_SECRET_KEY = re.compile(_NAMES, re.IGNORECASE)


def redact(text: str) -> str:
    """Return the text with passwords in URLs and the values of credential-like names hidden."""
    text = _ORACLE.sub(rf"\1{HIDDEN}@", _USER_INFO.sub(rf"\1{HIDDEN}@", text))
    return _ASSIGNED.sub(rf"\1{HIDDEN}", text)


def printable(text: str) -> str:
    """Return a message, whose lines stay, with control characters spelled out, and not too long."""
    if len(text) > MAX_MESSAGE:
        text = f"{text[: MAX_MESSAGE - 1]}…"
    return CONTROLS.sub(lambda one: one[0].encode("unicode_escape").decode(), text)


def shown(text: str, limit: int = 80) -> str:
    """Return text of somebody else's for a message: no control characters, at most `limit` long."""
    plain = "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode()
        for one in text[: limit + 1]
    )
    return plain if len(plain) <= limit else f"{plain[: limit - 1]}…"


def redact_values(value: Any) -> Any:
    """Return JSON-like data with every text redacted, keys included.

    The text under a credential-like key is hidden entirely.
    """
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {
            redact(key) if isinstance(key, str) else key: HIDDEN
            if isinstance(key, str) and isinstance(item, str) and _SECRET_KEY.search(key)
            else redact_values(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return type(value)(redact_values(item) for item in value)
    return value
