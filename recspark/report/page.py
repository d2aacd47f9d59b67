"""The report: one HTML file that opens offline. One script draws its map; no other may run."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from importlib import resources
from typing import Any

import numpy as np

from recspark.page.render import render
from recspark.report.chapter import Chapter, Cloud

# Steps of the map's longer side; coordinates are whole numbers, to keep the page small.
_STEPS = 4096
# One word a chapter, so that all fit into one line.
_NAVIGATION = {
    "results": "Models",
    "errors": "Errors",
    "calibrated": "Calibration",
    "training": "Training",
    "people": "Users",
    "neighbors": "Alike",
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
    """Return the HTML text: nothing to load, every text from the data escaped.

    Args:
        name: The run's name.
        where: The run directory, credentials taken out.
        date: Of the newest that it tells.
        facts: (name, figure) to begin with.
        chapters: In reading order; their names and those of their panels are unique.
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
    """Return the map's data for the script: coordinates in whole steps from the lowest."""
    x, y = (np.array(values) for values in (cloud.x, cloud.y))
    unit = max(np.ptp(x), np.ptp(y)) / _STEPS or 1.0
    return {
        **asdict(cloud),
        "x": np.rint((x - x.min()) / unit).astype(int).tolist(),
        "y": np.rint((y - y.min()) / unit).astype(int).tolist(),
    }
