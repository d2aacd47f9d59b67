"""The page in a real browser: every plot is drawn in light and dark, on a laptop and a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from recspark.explore.page import render_page
from tests.browser import LAPTOP, PHONE, Tab, browse, check_plots, needs_browser
from tests.explore import samples
from tests.explore.test_page import HOSTILE, PLOTS

pytestmark = needs_browser

# Plots with a second color: a median, a running or an overall mean, movies beside users.
WITH_SECOND_COLOR = {"days", "months", "movies", "users", "means", "decile_means"}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "index.html"
    # Enough ratings that months and tenths are not too small for a conclusion.
    ratings = samples.make_ratings(6000, scale=5)
    statistics = samples.make_statistics(ratings, {1: HOSTILE, 2: "Plain"})
    path.write_text(render_page("small", statistics), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browse(tmp_path_factory.mktemp("browser") / "profile") as tab:
        yield tab


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [LAPTOP, PHONE])
def test_every_plot_is_drawn(tab: Tab, page: Path, width: int, dark: bool) -> None:
    tab.open(page, width, dark=dark)
    check_plots(tab, width, dark=dark, names=PLOTS, two_colors=WITH_SECOND_COLOR)
