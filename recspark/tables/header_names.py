"""Columns found by name or position among those of a file, however a header spells them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence

from recspark.errors import DataError, describe
from recspark.redact import shown

# Names that public data sets give these columns, for hints only.
SYNONYMS = {
    "user": (
        *("userid", "user", "uid", "customerid", "customer", "reviewerid", "reviewer", "memberid"),
        *("visitorid", "sessionid", "session", "username", "profileid", "author", "playerid"),
        *("accountid", "clientid", "personid", "account", "userkey", "member"),
    ),
    "movie": (
        *("movieid", "itemid", "movie", "item", "asin", "productid", "product", "businessid"),
        *("isbn", "bookid", "book", "trackid", "track", "artistid", "artist", "songid", "song"),
        *("animeid", "gameid", "game", "title", "recipeid", "jokeid", "articleid", "postid"),
        *("parentasin", "gmapid", "contentid", "sku", "itemkey", "restaurantid", "beerid", "iid"),
        *("stockcode", "videoid", "venueid", "placeid", "locationid", "newsid", "appid"),
    ),
    "rating": (
        *("rating", "ratings", "stars", "score", "overall", "bookrating", "userrating", "grade"),
        *("weight", "playcount", "count", "hours", "value", "reviewscore", "points", "myscore"),
        *("reviewoverall", "vote", "preference", "plays", "purchases"),
        *("quantity", "watchratio"),
    ),
    "time": (
        *("timestamp", "time", "date", "unixreviewtime", "when", "reviewtime", "createdat"),
        *("datetime", "ratedat", "reviewdate", "ts", "dateadded", "submissiondate", "eventtime"),
        *("unixtime", "timestampms", "reviewtimestamp", "created", "updatedat"),
    ),
}
_TYPE_SUFFIX = re.compile(r":(token|float|token_seq|float_seq)$")
_MAX_SHOWN = 30


def _plain(name: str) -> str:
    return name.removeprefix("\ufeff").strip().strip("\"'").strip()


# From strict to forgiving: a column is taken at the first level at which it is the only one.
_LEVELS: tuple[Callable[[str], str], ...] = (
    lambda name: name,
    _plain,
    lambda name: _TYPE_SUFFIX.sub("", _plain(name).casefold()),  # RecBole's user_id:token
)


def find_column(names: Sequence[str], wanted: str) -> int | None:
    """Return the position (from 0) of a column named, or numbered from 1, by `wanted`.

    Case, spaces, quotes, a byte order mark and RecBole's types do not matter, unless two columns
    differ in nothing else. None if there is no such column, or more than one.
    """
    for level in _LEVELS:
        found = [place for place, name in enumerate(names) if level(name) == level(wanted)]
        if found:
            return found[0] if len(found) == 1 else None
    if wanted.isascii() and wanted.isdigit() and 1 <= int(wanted) <= len(names):
        return int(wanted) - 1
    return None


def is_position(wanted: str) -> bool:
    """Return whether a column is named by its position."""
    return wanted.isascii() and wanted.isdigit()


def find_columns(
    columns: Mapping[str, str], names: Sequence[str], where: str, hint: Callable[[], str] = str
) -> dict[str, int]:
    """Return the position of each role's column.

    Args:
        columns: The names or positions of the columns, by role.
        names: The names in the file.
        where: The file, for messages.
        hint: Says what else may be wrong.

    Raises:
        DataError: A column is missing, or occurs more than once; or two roles have the same one.
    """
    found: dict[str, int] = {}
    for role, wanted in columns.items():
        position = find_column(names, wanted)
        if position is None:
            raise _no_column(role, wanted, names, where, hint())
        found[role] = position
    taken = list(found.values())
    for role, position in found.items():
        if taken.count(position) > 1:
            raise DataError(
                describe(
                    where,
                    found=f"the column {shown(names[position])} for two of {', '.join(found)}",
                    expected="a different column for each",
                    remedy=f"Change ingest.table.{role}.",
                )
            )
    return found


def suggest_columns(names: Sequence[str]) -> dict[str, str]:
    """Return the columns that are usually meant by each role, where there is one."""
    folded = {_bare(name): name for name in reversed(names)}
    found: dict[str, str] = {}
    for role, synonyms in SYNONYMS.items():
        known = [folded[one] for one in synonyms if one in folded]
        # review/userId, user_id_hash and the like
        tail = re.compile(rf"({'|'.join(synonyms)})$")
        known += [name for bare, name in folded.items() if tail.search(bare)]
        free = [name for name in known if name not in found.values()]
        if free:
            found[role] = free[0]
    return found


def list_names(names: Sequence[str], most: int = _MAX_SHOWN) -> str:
    """Return the names of columns for a message, no more than `most`."""
    some = ", ".join(shown(name, 40) for name in names[:most])
    return some if len(names) <= most else f"{some}, … ({len(names)} in all)"


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", _LEVELS[-1](name))


def _no_column(role: str, wanted: str, names: Sequence[str], where: str, hint: str) -> DataError:
    alike = [name for name in names if _LEVELS[-1](name) == _LEVELS[-1](wanted)]
    nearest = difflib.get_close_matches(wanted, names, n=1, cutoff=0.6)
    likely = nearest or [one for one in [suggest_columns(names).get(role)] if one is not None]
    likely = likely or difflib.get_close_matches(wanted, names, n=1, cutoff=0.4)
    remedy = f"Did you mean {shown(likely[0])}? " if likely else ""
    remedy += f"Set ingest.table.{role}{' (or ingest.table.separator)' if len(names) < 2 else ''}."
    if len(alike) > 1:
        remedy = f"Rename one of them, or set ingest.table.{role} to its position, from 1."
    return DataError(
        describe(
            where,
            found=f"{len(alike) or 'no'} columns {shown(wanted)} among {list_names(names)}",
            expected="one",
            remedy=f"{remedy} {hint}".strip() + " recspark inspect prints settings that may fit.",
        )
    )
