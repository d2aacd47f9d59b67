from __future__ import annotations

import re
from typing import Any

import pytest

from recspark.contract import columns as c
from recspark.explore.page import render_page
from tests.explore import samples
from tests.pages import read

HOSTILE = '<script>alert(1)</script> & "Don\'t" $x_1$'
PLOTS = {
    "ratings",
    "days",
    "months",
    "movies",
    "users",
    "means",
    "decile_shares",
    "decile_means",
    "years",
}


@pytest.fixture(scope="module")
def statistics() -> dict[str, Any]:
    return samples.make_statistics(samples.make_ratings(), {1: HOSTILE, 2: "Amélie", 3: "Plain"})


@pytest.fixture(scope="module")
def page(statistics: dict[str, Any]) -> str:
    return render_page("a <b>run</b>", statistics)


def test_titles_stay_text(page: str) -> None:
    reader = read(page)
    assert "script" not in reader.tags
    assert "b" not in reader.tags
    assert reader.cells.count(HOSTILE) == 2
    assert "Amélie" in reader.cells


def test_nothing_is_loaded_from_elsewhere(page: str) -> None:
    reader = read(page)
    assert not {"script", "iframe", "img", "object"} & set(reader.tags)
    assert all(link.startswith(("#", "data:")) for link in reader.links)
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", page))
    assert "@import" not in page


def test_every_plot_is_there_for_both_widths_with_its_numbers(page: str) -> None:
    reader = read(page)
    assert reader.svgs == dict.fromkeys(PLOTS, 2)
    assert reader.sections == [*dict.fromkeys(reader.sections)]
    # One is the heading of the page.
    assert len(reader.headings) - 1 == len(reader.sections) == len(PLOTS) + 2
    for part in page.split("<section")[1:]:
        assert part.count("<summary>") == part.count("<details") == part.count("<table>") > 0


def test_ids_are_unique_and_every_reference_is_met(page: str) -> None:
    reader = read(page)
    assert len(reader.ids) == len(set(reader.ids))
    references = {link for link in reader.links if link.startswith("#")}
    references |= set(re.findall(r"url\((#[^)]*)\)", page))
    assert references
    assert {reference[1:] for reference in references} <= set(reader.ids)


def test_plots_take_their_colors_from_the_style_sheet(page: str) -> None:
    svgs = "".join(re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL))
    assert "var(--main)" in svgs
    assert "var(--ink)" in svgs
    assert not re.findall(r"#[0-9a-f]{6}\b", svgs)


def test_axes_are_named_with_units(page: str) -> None:
    for text in (
        "Rating (stars)",
        "Ratings per day (count)",
        "Mean rating (stars)",
        "Ratings per movie (count, log scale)",
        "Ratings per user (count, log scale)",
        "Year of release",
    ):
        assert f">{text}<" in page


def test_tables_hold_the_numbers(page: str, statistics: dict[str, Any]) -> None:
    cells = read(page).cells
    busiest = max(statistics["days"], key=lambda row: row["ratings"])
    assert busiest["day"] in cells
    assert f"{statistics['per_user']['quantiles']['99 %']:,}" in cells
    assert any(busiest["day"] in heading for heading in read(page).headings)


def test_without_release_years_there_is_no_such_plot(statistics: dict[str, Any]) -> None:
    reader = read(render_page("t", {**statistics, "release_years": []}))
    assert set(reader.svgs) == PLOTS - {"years"}
    assert "No release years are known" in reader.headings


def test_movies_without_title_are_shown_by_id(statistics: dict[str, Any]) -> None:
    nameless = [{**statistics["top_by_ratings"][0], "title": None, "year": None, c.MOVIE_ID: 4711}]
    cells = read(render_page("t", {**statistics, "top_by_ratings": nameless})).cells
    at = cells.index("4711")
    assert cells[at + 1 : at + 3] == ["–", "–"]


@pytest.mark.parametrize("num_rows", [1, 2])
def test_very_little_data_is_drawn(num_rows: int) -> None:
    ratings = samples.make_ratings().head(num_rows)
    reader = read(render_page("t", samples.make_statistics(ratings, {})))
    assert set(reader.svgs) == PLOTS


def test_same_statistics_give_the_same_page(statistics: dict[str, Any], page: str) -> None:
    assert render_page("a <b>run</b>", statistics) == page
