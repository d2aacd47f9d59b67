"""What a figure was measured on, as one readable line: figures compare only under equal ones."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any


def describe_protocol(data_set: str, settings: Mapping[str, Any]) -> str:
    """Return e.g. `ml; split pairs u1.test; min ratings user 1 movie 1; valid 0.05; seed 42`.

    Args:
        data_set: Name of the run, which is that of its data.
        settings: What prepare recorded in the manifest of test: its section and the seed.
    """
    split = settings["split"]
    detail = (
        posixpath.basename(settings["pairs"]) if split == "pairs" else settings["test_fraction"]
    )
    minimum = f"user {settings['min_ratings_per_user']} movie {settings['min_ratings_per_movie']}"
    return "; ".join(
        [
            data_set,
            f"split {split} {detail}",
            f"min ratings {minimum}",
            f"valid {settings['valid_fraction']}",
            f"seed {settings['seed']}",
        ]
    )
