"""The page in a real browser: every plot is drawn, in light and dark, on a laptop and a phone."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from recspark.explore.page import render_page
from tests.explore import samples
from tests.explore.test_page import HOSTILE, PLOTS

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="no chromium or google-chrome on the PATH"),
]

HEIGHT = 6500
# Plots with a second color: a median, a running or an overall mean, movies beside users.
WITH_SECOND_COLOR = {"days", "months", "movies", "users", "means", "decile_means"}
# The page in a frame of the tested width, because a headless window is never under 500 pixels
# wide; tells where the visible plots are, and how wide the content is.
HARNESS = """<!doctype html><meta name="color-scheme" content="light dark">
<style>body {{ margin: 0 }} iframe {{ border: 0; display: block }}</style>
<link rel="icon" href="data:,">
<iframe width="{width}" height="{height}" srcdoc="{page}"></iframe><pre id="probe" hidden></pre>
<script>
window.onload = () => {{
  const inside = document.querySelector("iframe").contentDocument, boxes = {{}};
  for (const plot of inside.querySelectorAll(".plot")) {{
    const box = plot.getBoundingClientRect();
    if (box.width) boxes[plot.closest("section").id] = [box.left, box.top, box.right, box.bottom];
  }}
  document.getElementById("probe").textContent = JSON.stringify(
    {{boxes, width: inside.documentElement.scrollWidth}});
}};
</script>"""


def browse(page: Path, *options: str) -> str:
    """Return the browser's standard output; console messages fail the test."""
    assert BROWSER is not None
    done = subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--enable-logging=stderr",
            f"--user-data-dir={page.parent / 'profile'}",
            *options,
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    assert not console
    return done.stdout


def look(page: Path, width: int, *, dark: bool) -> tuple[npt.NDArray[np.int16], dict[str, Any]]:
    """Return the pixels of the page, and what the probe saw."""
    harness = page.parent / f"{width}-{dark}.html"
    text = html.escape(page.read_text(encoding="utf-8"))
    harness.write_text(HARNESS.format(width=width, height=HEIGHT, page=text), encoding="utf-8")
    picture = harness.with_suffix(".png")
    options = (
        f"--window-size={max(width, 600)},{HEIGHT}",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}",
    )
    browse(harness, f"--screenshot={picture}", *options)
    dom = browse(harness, "--dump-dom", *options)
    probe = re.search(r'<pre id="probe"[^>]*>(.*?)</pre>', dom, flags=re.DOTALL)
    assert probe is not None
    pixels = np.asarray(Image.open(picture).convert("RGB")).astype(np.int16)
    return pixels, json.loads(html.unescape(probe.group(1)))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "index.html"
    statistics = samples.make_statistics(samples.make_ratings(), {1: HOSTILE, 2: "Plain"})
    path.write_text(render_page("small", statistics), encoding="utf-8")
    return path


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_plot_is_drawn(page: Path, width: int, dark: bool) -> None:
    pixels, seen = look(page, width, dark=dark)
    assert seen["width"] == width  # nothing sticks out sideways
    assert set(seen["boxes"]) == PLOTS
    corner = pixels[3, 3]
    assert (corner.mean() < 60) == dark
    for name, box in seen["boxes"].items():
        left, top, right, bottom = (round(side) for side in box)
        assert 0 <= left < right <= width
        assert bottom < HEIGHT
        plot = pixels[top:bottom, left:right]
        red, blue = plot[..., 0], plot[..., 2]
        marks, second = (blue - red > 60).mean(), (red - blue > 60).mean()
        assert marks > 0.003, f"{name}: no marks ({marks:.4f})"
        assert (second > 0.0007) == (name in WITH_SECOND_COLOR), f"{name}: {second:.4f}"
        # Text stands out from the panel by far more than grid lines do.
        panel = plot[1, 1]
        grey = plot.max(axis=2) - plot.min(axis=2) < 40
        text = (grey & (np.abs(plot - panel).max(axis=2) > 150)).mean()
        assert text > 0.002, f"{name}: no text ({text:.4f})"
