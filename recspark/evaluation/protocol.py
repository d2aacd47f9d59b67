"""What a figure was measured on, as one readable line; only figures with equal lines compare."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from recspark.config.recommend import RESTRICTIONS


def describe_protocol(
    data_set: str, settings: Mapping[str, Any], *, uses_times: bool = False
) -> str:
    """Return e.g. `ml; split pairs u1.test (d0a1f3b7); min ratings user 1 movie 1; …; seed 42`.

    Held-out pairs are named by their content. Other splits draw from whatever ratings there are, so
    that the figures of two days are comparable.

    Args:
        data_set: Name of the run, which stands for its data.
        settings: What prepare recorded in the manifest of test: its section, the seed, and
            `held_out`, which stands for the content of held-out pairs.
        uses_times: Whether the model was told when each test rating was given. Others were not.
    """
    minimum = f"user {settings['min_ratings_per_user']} movie {settings['min_ratings_per_movie']}"
    repeated = " k-core" if settings["filter"] == "k_core" else ""
    parts = [
        data_set,
        f"split {settings['split']} {_split_detail(settings)}".rstrip(),
        f"min ratings {minimum}{repeated}",
        f"valid {settings['valid_fraction']}",
        f"seed {settings['seed']}",
    ]
    if settings["duplicates"] != "last":
        parts.insert(2, f"duplicates {settings['duplicates']}")
    if settings.get("min_rating") is not None:
        parts.insert(1, f"ratings ≥ {settings['min_rating']:g}")
    if settings["user_fraction"] < 1:
        parts.insert(1, f"users {settings['user_fraction']}")
    protocol = "; ".join(parts)
    return with_times(protocol) if uses_times else protocol


def with_times(protocol: str) -> str:
    """Return the protocol of models that are told when each test rating was given."""
    return f"{protocol}; times of test known"


def with_lists(
    protocol: str, relevant_rating: float | None, top_k: int, settings: Mapping[str, Any]
) -> str:
    """Return the protocol of lists: of movies that the user rated in neither train nor valid.

    Args:
        protocol: That of the ratings.
        relevant_rating: Lowest rating that makes a movie relevant.
        top_k: Ranks that count.
        settings: What the lists were made with, as in `RecommendConfig`.
    """
    names = [name for name in RESTRICTIONS if settings.get(name)]
    if names:
        protocol += f"; lists restricted by {', '.join(names)}"
    liked = "nothing relevant" if relevant_rating is None else f"relevant ≥ {relevant_rating:g}"
    unrated = "" if settings.get("include_seen") else "unrated "
    return f"{protocol}; first {top_k} of the {unrated}movies; {liked}"


def _split_detail(settings: Mapping[str, Any]) -> str:
    if settings["split"] == "probe":
        return f"({settings['held_out']})"
    if settings["split"] == "pairs":
        return f"{posixpath.basename(settings['pairs'])} ({settings['held_out']})"
    if settings["split"] == "last":
        return str(settings["num_last"])
    if settings["cut_date"]:
        return f"from {settings['cut_date']}"
    if settings["split"] == "held_out_users":
        return f"{settings['test_fraction']} folding in {settings['fold_in_fraction']}"
    return str(settings["test_fraction"])
