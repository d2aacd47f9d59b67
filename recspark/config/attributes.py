"""Columns of the files of titles and of users. Case, spaces, `_` and `-` in names do not matter."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class MovieColumns:
    """Column names of the titles; null takes the usual names."""

    id: str | None = None
    """Column of movie ids; usual are movieId, item_id, movie, id and the name in ingest.table."""
    title: str | None = None
    """Column of titles; usual are title, movie_title and name."""
    year: str | None = None
    """Column of years or dates of release; usual are year and release_date. Without one the year is
    taken from titles such as Heat (1995)."""
    genres: str | None = None
    """Column of genres; usual are genres, genre and categories."""


@dataclass(frozen=True, kw_only=True)
class UserColumns:
    """Column names of the file of users; null takes the usual names."""

    id: str | None = None
    """Column of user ids; usual are userId, user_id, user, id and the name in ingest.table."""
