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
    # One heading is that of the page.
    assert len(reader.headings) - 1 == len(reader.sections) == len(PLOTS) + 2
    for part in page.split("<section")[1:]:
        assert part.count("<summary>") == part.count("<details") == part.count("<table>") > 0


def test_ids_are_unique_and_every_reference_resolves(page: str) -> None:
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


def test_without_release_years_their_plot_is_left_out(statistics: dict[str, Any]) -> None:
    reader = read(render_page("t", {**statistics, "release_years": []}))
    assert set(reader.svgs) == PLOTS - {"years"}
    assert "No release years are known" in reader.headings


def test_without_times_their_plots_are_left_out() -> None:
    ratings = samples.make_ratings()
    page = render_page("t", samples.make_statistics(ratings.assign(**{c.DAY: float("nan")}), {}))
    reader = read(page)
    assert set(reader.svgs) == PLOTS - {"days", "months"}
    assert [text for text in reader.headings if text.startswith("No rating has a time")] == [
        "No rating has a time: no ratings by day",
        "No rating has a time: no means by month",
    ]
    assert "No rating has a time. Every" in page
    assert "None" not in page


def test_ratings_without_a_time_are_counted_beside_the_plots() -> None:
    ratings = samples.make_ratings()
    some = ratings.assign(**{c.DAY: ratings[c.DAY].where(ratings.index >= 7)})
    page = render_page("t", samples.make_statistics(some, {}))
    assert page.count("7 ratings without a time are left out.") == 2


def test_movies_without_title_are_shown_by_id(statistics: dict[str, Any]) -> None:
    nameless = [{**statistics["top_by_ratings"][0], "title": None, "year": None, c.MOVIE_ID: 4711}]
    cells = read(render_page("t", {**statistics, "top_by_ratings": nameless})).cells
    at = cells.index("4711")
    assert cells[at + 1 : at + 3] == ["–", "–"]


def test_long_ids_leave_room_for_the_figures(statistics: dict[str, Any]) -> None:
    named = [{**statistics["top_by_ratings"][0], c.MOVIE_ID: "x" * 256}]
    cells = read(render_page("t", {**statistics, "top_by_ratings": named})).cells
    assert "x" * 39 + "…" in cells
    assert not any("x" * 41 in cell for cell in cells)


@pytest.mark.parametrize("num_rows", [1, 2])
def test_very_little_data_is_drawn(num_rows: int) -> None:
    ratings = samples.make_ratings().head(num_rows)
    reader = read(render_page("t", samples.make_statistics(ratings, {})))
    assert set(reader.svgs) == PLOTS


def test_small_groups_are_grey_and_not_in_headings() -> None:
    ratings = samples.make_ratings(6000, scale=5)
    statistics = samples.make_statistics(ratings, {})
    first, *middle, last = statistics["months"]
    first.update(ratings=41, mean_rating=1.34)
    page = render_page("t", statistics)
    [heading] = [text for text in read(page).headings if text.startswith("The mean rating goes")]
    n = f"{middle[0]['ratings']:,}"
    assert f"{middle[0]['mean_rating']:.2f} in {middle[0]['month']} (n = {n})" in heading
    assert f"in {last['month']} (n = {last['ratings']:,})" in heading
    [months] = [part for part in page.split("<section") if part.startswith(' id="months"')]
    assert months.count('<tr class="few">') == 1
    assert ">41<" in months
    assert "var(--soft)" in months


def test_heading_says_when_means_differ_by_chance(statistics: dict[str, Any]) -> None:
    def heading(first: float, last: float) -> str:
        months = [
            {"month": f"2001-0{number}", "ratings": 1000, "mean_rating": mean, "std": 1.0}
            for number, mean in ((1, first), (2, last))
        ]
        page = render_page("t", {**statistics, "months": months})
        return next(text for text in read(page).headings if text.startswith("The mean rating"))

    assert heading(3.5, 3.53).endswith(": no more than chance")
    assert "chance" not in heading(3.5, 3.8)


def test_percent_has_one_form(page: str) -> None:
    # The form is 24.1% in tables, plots and texts.
    assert not re.findall(r"\d[ \N{NO-BREAK SPACE}]%", page)
    assert re.findall(r"\d%", page)


def test_page_begins_with_its_date_and_keeps_its_navigation(statistics: dict[str, Any]) -> None:
    page = render_page("t", statistics, "2026-11-27 23:31 UTC")
    assert "Ratings as ingested on 2026-11-27 23:31 UTC" in page.split("</header>")[0]
    links = re.findall(r'<a href="#([a-z_]+)">', page.split("<main>")[0])
    assert links == read(page).sections


def test_same_statistics_give_the_same_page(statistics: dict[str, Any], page: str) -> None:
    assert render_page("a <b>run</b>", statistics) == page
