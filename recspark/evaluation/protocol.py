"""What a figure was measured on, as one readable line; only figures with equal lines compare."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any


def describe_protocol(data_set: str, settings: Mapping[str, Any]) -> str:
    """Return e.g. `ml; split pairs u1.test; min ratings user 1 movie 1; valid 0.05; seed 42`.

    Args:
        data_set: Name of the run, which stands for its data.
        settings: What prepare recorded in the manifest of test: its section and the seed.
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
    if settings["user_fraction"] < 1:
        parts.insert(1, f"users {settings['user_fraction']}")
    return "; ".join(parts)


def _split_detail(settings: Mapping[str, Any]) -> str:
    if settings["split"] == "probe":
        return ""
    if settings["split"] == "pairs":
        return posixpath.basename(settings["pairs"])
    if settings["split"] == "last":
        return str(settings["num_last"])
    if settings["cut_date"]:
        return f"from {settings['cut_date']}"
    return str(settings["test_fraction"])
