"""The report as one HTML file that opens offline. Only the script that draws the map may run."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from importlib import resources
from typing import Any

import numpy as np

from recspark.page.render import clean, render
from recspark.report.chapter import Chapter, Cloud

# Steps along the longer side of the map. Coordinates are integers to keep the page small.
_STEPS = 4096
# One word per chapter, so that the navigation fits on one line.
_NAVIGATION = {
    "results": "Models",
    "lists": "Lists",
    "errors": "Errors",
    "calibrated": "Calibration",
    "training": "Training",
    "people": "Users",
    "neighbors": "Similar",
    "map": "Map",
    "data": "Ratings",
    "ran": "Run",
}


def render_report(
    name: str,
    where: str,
    date: str,
    facts: Sequence[tuple[str, str]],
    chapters: Sequence[Chapter],
) -> str:
    """Return the HTML text. It loads nothing, and all text from the data is escaped.

    Args:
        name: The run's name.
        where: The run directory without credentials.
        date: When the newest data set was made.
        facts: (name, figure) pairs for the top of the page.
        chapters: The chapters in reading order. Names of chapters and panels must be unique.
    """
    script = resources.files("recspark.report").joinpath("map.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return render(
        "report/index.html",
        name=name,
        where=where,
        date=date,
        navigation=[(one.name, _NAVIGATION.get(one.name, one.title)) for one in chapters],
        facts=facts,
        chapters=chapters,
        clouds={one.name: pack(one.cloud) for one in chapters if one.cloud},
        script=script,
        script_hash=f"'sha256-{digest}'",
    )


def pack(cloud: Cloud) -> dict[str, Any]:
    """Return the map's data for the script, with coordinates as integers from 0."""
    x, y = (np.array(values) for values in (cloud.x, cloud.y))
    unit = max(np.ptp(x), np.ptp(y)) / _STEPS or 1.0
    return {
        **asdict(cloud),
        "labels": [clean(label) for label in cloud.labels],
        "x": np.rint((x - x.min()) / unit).astype(int).tolist(),
        "y": np.rint((y - y.min()) / unit).astype(int).tolist(),
    }
