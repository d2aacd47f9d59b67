"""Files of titles and users of Netflix and MovieLens, which have no column names."""

from __future__ import annotations

import re

from recspark.contract import columns as c
from recspark.ingest.small_tables import Layout, split_at

# The flags of u.item, in their order (u.genre).
GENRES = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary",
    "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi",
    "Thriller", "War", "Western",
)  # fmt: skip
_NUM_ITEM_FIELDS = 5  # before the flags


def genres_of(fields: list[str]) -> str | None:
    """Return the genres of a line of u.item, separated by |."""
    flags = fields[_NUM_ITEM_FIELDS:]
    if len(flags) != len(GENRES):
        return None
    return "|".join(name for name, flag in zip(GENRES, flags, strict=True) if flag == "1") or None


def _split_netflix(text: str) -> list[str] | None:
    fields = text.split(",", 2)  # 336 titles contain commas
    return fields if len(fields) == 3 else None


def _split_item(text: str) -> list[str] | None:
    fields = text.split("|")
    return fields if len(fields) >= 3 else None


def _split_dat(text: str) -> list[str] | None:
    number, _, rest = text.partition("::")
    title, mark, genres = rest.rpartition("::")
    return [number, title, genres] if mark else None


NETFLIX_TITLES = Layout(re.compile(r"-?\d+,(?:\d{4}|NULL),."), (c.ID, c.YEAR, c.TITLE),
                        _split_netflix)  # fmt: skip
MOVIES_DAT = Layout(re.compile(r"[^,|]*::"), (c.ID, c.TITLE, c.GENRES), _split_dat)
ITEM = Layout(re.compile(r"\d+\|[^|]+\|"), (c.ID, c.TITLE, "release date"), _split_item)
MOVIES = (MOVIES_DAT, ITEM, NETFLIX_TITLES)

U_USER = Layout(
    re.compile(r"\d+\|\d+\|[MF]\|"),
    (c.USER_ID, "age", "gender", "occupation", "zip_code"),
    split_at("|", 5),
)
USERS_DAT = Layout(
    re.compile(r"\d+::[MF]::\d+::"),
    (c.USER_ID, "gender", "age", "occupation", "zip_code"),
    split_at("::", 5),
)
USERS = (U_USER, USERS_DAT)
