"""The report in a real browser: plots, the map under mouse and finger, and no requests."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from recspark.report.assemble import make_report
from recspark.report.leaderboards import Leaderboards
from tests.browser import LAPTOP, PHONE, Tab, browse, check_plots, needs_browser
from tests.report import samples
from tests.report.samples import HOSTILE
from tests.report.test_page import PLOTS

pytestmark = needs_browser

WITH_SECOND_COLOR = {
    *("leaderboard", "lists-board", "lists-activity", "calibration", "training-mf"),
    *(f"errors-{name}" for name in ("user_activity", "movie_popularity", "rating_value", "month")),
}
TIP = 'document.querySelector(".tip")'
SIZES = [(width, dark) for width in (LAPTOP, PHONE) for dark in (False, True)]


@pytest.fixture(scope="module")
def file(page: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(page, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browse(tmp_path_factory.mktemp("browser") / "profile") as tab:
        yield tab


@pytest.mark.parametrize(("width", "dark"), SIZES)
def test_every_plot_is_drawn(tab: Tab, file: Path, width: int, dark: bool) -> None:
    tab.open(file, width, dark=dark)
    check_plots(tab, width, dark=dark, names=PLOTS, two_colors=WITH_SECOND_COLOR)


def boxes(tab: Tab, selector: str) -> list[dict[str, float]]:
    """Return the positions of the elements in the window."""
    found = tab.ask(
        f'[...document.querySelectorAll("{selector}")].map(one => '
        "one.getBoundingClientRect().toJSON())"
    )
    return list(found)


@pytest.mark.parametrize("width", [LAPTOP, 900, 700, PHONE])
def test_no_tile_stands_alone(tab: Tab, file: Path, width: int) -> None:
    tab.open(file, width, dark=False)
    tiles = boxes(tab, "header dl div")
    rows = Counter(round(tile["top"]) for tile in tiles)
    assert len(tiles) == 8
    assert set(rows.values()) == {2 if width == PHONE else 4}


def test_a_lone_chart_is_as_large_as_its_neighbours(tab: Tab, file: Path) -> None:
    tab.open(file, LAPTOP, dark=False)
    [alone] = boxes(tab, "#training-mf figure")
    [other] = boxes(tab, "#errors-month figure")
    assert alone["width"] == pytest.approx(other["width"], abs=1)
    assert alone["height"] == pytest.approx(other["height"], abs=1)


@pytest.mark.parametrize("width", [LAPTOP, PHONE])
def test_navigation_stays_visible_and_hides_no_heading(tab: Tab, file: Path, width: int) -> None:
    tab.open(file, width, dark=False)
    tab._size(width, 800)
    tab.ask('document.getElementById("training").scrollIntoView()')
    [bar], [heading] = boxes(tab, "nav"), boxes(tab, "#training")
    assert tab.ask("window.scrollY") > 1000
    assert bar["top"] == 0
    assert bar["bottom"] <= heading["top"] < 200
    assert tab.ask("document.documentElement.scrollWidth") == width


def write_with_best(folder: Path, name: str) -> Path:
    """Write a page whose best model has this name; return its path."""
    leaderboards = Leaderboards([samples.make_board(name)])
    page = make_report(dataclasses.replace(samples.make_findings(), leaderboards=leaderboards))
    path = folder / "index.html"
    path.write_text(page, encoding="utf-8")
    return path


def test_a_phone_shows_model_rmse_and_difference_from_bias(tab: Tab, tmp_path: Path) -> None:
    path = write_with_best(tmp_path, "netflix_embedding_nn_large_scale_second")
    tab.open(path, PHONE, dark=False)
    cells = boxes(tab, "#leaderboard tbody tr:first-child td")
    texts = tab.ask('[...document.querySelectorAll("#leaderboard th")].map(one => one.textContent)')
    assert texts[:3] == ["Model", "RMSE", "vs bias"]
    assert all(0 <= cell["left"] < cell["right"] <= PHONE for cell in cells[:3])


@pytest.mark.parametrize("width", [LAPTOP, 700, PHONE])
def test_the_tile_of_the_best_model_breaks_between_words(
    tab: Tab, tmp_path: Path, width: int
) -> None:
    tab.open(write_with_best(tmp_path, "bayesian_mf_interactions"), width, dark=False)
    words = tab.ask(
        """[...document.querySelectorAll("header dd")]
        .filter(one => one.textContent === "bayesian_mf_interactions")
        .flatMap(one => [...one.childNodes].filter(node => node.nodeType === Node.TEXT_NODE))
        .map(node => {
          const range = document.createRange();
          range.selectNodeContents(node);
          return [node.textContent, range.getClientRects().length];
        })"""
    )
    assert words == [["bayesian_", 1], ["mf_", 1], ["interactions", 1]]


@pytest.mark.parametrize("width", [LAPTOP, PHONE])
def test_intervals_are_unfolded_and_their_shares_visible(
    tab: Tab, tmp_path: Path, width: int
) -> None:
    board = samples.make_board("bayesian_mf_with_everything")
    next(iter(board.metrics.values()))["intervals"] = [
        {"level": 0.95, "num_rows": 20_000, "covered": 0.9437, "mean_width": 3.65}
    ]
    findings = dataclasses.replace(samples.make_findings(), leaderboards=Leaderboards([board]))
    path = tmp_path / "index.html"
    path.write_text(make_report(findings), encoding="utf-8")
    tab.open(path, width, dark=False)
    texts = tab.ask('[...document.querySelectorAll("#intervals td")].map(one => one.textContent)')
    assert texts == ["bayesian_mf_with_everything", "95%", "94.4%", "3.65", "20,000"]
    cells = boxes(tab, "#intervals tbody td")
    assert all(0 < cell["left"] < cell["right"] <= width for cell in cells[:3])
    assert tab.ask("document.documentElement.scrollWidth") == width


def test_a_laptop_shows_the_whole_leaderboard(tab: Tab, tmp_path: Path) -> None:
    tab.open(write_with_best(tmp_path, "softmax_classifier"), LAPTOP, dark=False)
    assert tab.ask(
        "(({scrollWidth, clientWidth}) => scrollWidth <= clientWidth)"
        '(document.querySelector("#leaderboard .scroll"))'
    )


def find_on_map(tab: Tab, words: str) -> tuple[float, float]:
    """Search for a title on the map; return the position of its highlighted dot on the page."""
    tab.ask('document.querySelector(".map input").value = ""')
    tab.ask('document.querySelector(".map input").focus()')
    tab.call("Input.insertText", text=words)
    assert tab.ask('document.querySelector(".map output").textContent') == "1 found"
    box = tab.ask(
        "(({left, top, right, bottom}) => [left, top, right, bottom].map(Math.round))"
        '(document.querySelector(".map canvas").getBoundingClientRect())'
    )
    left, top, *_ = box
    drawn = tab.picture(box)
    rows, columns = np.nonzero(drawn[..., 0] - drawn[..., 2] > 60)
    assert len(rows) > 3
    assert np.ptp(rows) < 16  # a single dot
    return left + float(columns.mean()), top + float(rows.mean())


@pytest.mark.parametrize(("width", "dark"), SIZES)
def test_points_show_their_titles(tab: Tab, file: Path, width: int, dark: bool) -> None:
    tab.open(file, width, dark=dark)
    assert tab.ask(f"{TIP}.hidden")
    for words, title, ratings in (("lm 17 ", "Film 17 (1999)", 129), ("alert(2)", HOSTILE, 180)):
        x, y = find_on_map(tab, words)
        if width == PHONE:
            tab.tap(x, y)
        else:
            tab.move(x, y)
        assert not tab.ask(f"{TIP}.hidden")
        assert tab.ask(f"{TIP}.textContent") == f"{title} · {ratings} ratings"
        left, right = tab.ask(
            f"(({{left, right}}) => [left, right])({TIP}.getBoundingClientRect())"
        )
        assert 0 <= left < right <= width
    if width == LAPTOP:
        tab.move(2, 2)
        assert tab.ask(f"{TIP}.hidden")
    assert not tab.faults
    assert not tab.requests


def test_the_policy_blocks_other_scripts(tab: Tab, file: Path, tmp_path: Path) -> None:
    """A script in an unescaped title could not run either. The tests above would see it, too."""
    text = file.read_text(encoding="utf-8")
    assert "<main>" in text
    evil = tmp_path / "evil.html"
    evil.write_text(text.replace("<main>", "<main><script>window.intruded = 1</script>"), "utf-8")
    tab.open(evil, LAPTOP, dark=False)
    assert tab.ask("window.intruded") is None
    assert any("Content Security Policy" in fault for fault in tab.faults)
    tab.faults.clear()
