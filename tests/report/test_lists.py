"""The chapter on lists: what it praises, what it marks, and what it says where there is nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from recspark.contract.paths import RunPaths
from recspark.evaluation.list_figures import METRICS
from recspark.page.panel import Panel
from recspark.report.chapter import Chapter, Item
from recspark.report.co_rated import Neighbors
from recspark.report.inventory import Inventory
from recspark.report.leaderboards import ListsBoard, read_leaderboards, read_lists
from recspark.report.lists import make_lists
from recspark.report.people import make_examples, make_neighbors
from tests.pages import read
from tests.report import samples
from tests.report.samples import HOSTILE, make_list_row, versus

NO_FIGURES = {**dict.fromkeys(METRICS), "intervals": {"ndcg": None, "recall": None}}


def chapter_of(*rows: dict[str, Any], unmeasured: tuple[str, ...] = ()) -> Chapter:
    return make_lists(ListsBoard(list(rows), list(unmeasured)), has_test=True)


def panels_of(*rows: dict[str, Any]) -> dict[str, Panel]:
    return {panel.name: panel for panel in chapter_of(*rows).panels}


def test_page_shows_the_leaderboard_of_lists_with_popularity(page: str) -> None:
    part = page.split('<h2 id="lists">')[1].split("<h2 ")[0]
    reader = read(part)
    [text] = [text for text in reader.texts if text.startswith("Not better than popularity")]
    assert text.strip().endswith("beyond the interval: bias.")
    assert reader.headings[:1] == [
        "Lists of mf are best: NDCG@10 0.300 over 380 users, +0.100 against popularity"
    ]
    minus = "\N{MINUS SIGN}"
    for cell in ("0.3000", "+0.1000 ±0.0100", f"{minus}0.1000 ±0.0100", "0.2800–0.3200"):
        assert cell in reader.cells
    assert ">popularity: 0.2000<" in part
    assert "jobs/evaluate.py counted in train and valid how many users like each movie" in part


def test_popularity_stands_beside_the_lists_of_users(page: str) -> None:
    part = page.split('<h2 id="people">')[1].split("<h2 ")[0]
    shown = part.split("Most popular of what the user has not rated")[1]
    assert "Film 9 (1999)" in shown
    assert ">123<" in shown


def test_reasons_stand_below_the_listed_movies(page: str) -> None:
    part = page.split('<h2 id="people">')[1].split("<h2 ")[0]
    [reasons] = [text for text in read(part).texts if text.startswith("because of ")]
    assert reasons == f"because of {HOSTILE} +0.50; Film 2 (1999) +0.25"


def test_the_text_about_lists_names_their_limits() -> None:
    examples = samples.make_findings().examples
    text = make_examples("mf", examples, {"max_per_genre": 2, "min_year": None}).text
    assert "leave out movies" in text
    assert "Lists are restricted by recommend.max_per_genre. Below" in text
    text = make_examples("mf", examples, {"include_seen": True, "reasons": 2}).text
    assert "may have movies that the user rated" in text
    assert "Lists are restricted by recommend.include_seen. Below a listed movie" in text
    assert "add most to its score, each with what it adds." in text


def test_similar_movies_by_co_rating_stand_beside_those_by_embeddings(page: str) -> None:
    part = page.split('<h2 id="neighbors">')[1].split("<h2 ")[0]
    first, second, third, *_ = part.split('<article class="card">')[1:]
    for card, others in ((first, ("Film 4", "Film 2")), (second, ("Film 3",))):
        co_rated, embedded = card.split("By embeddings, in mf")
        assert "By who rated both, in ease" in co_rated
        assert re.findall(r"<span>(Film \d+)", co_rated) == list(others)
        assert embedded.count("<li>") == 5
    assert "By who rated both" not in third
    alone = make_neighbors(None, samples.make_movies(), 3, Neighbors("ease", {1: [(3, 0.25)]}))
    assert not alone.missing
    assert alone.cards[0].lists == [
        ("By who rated both, in ease", [Item("Film 3 (1999)", "0.250")])
    ]


def test_a_model_that_is_exactly_popularity_is_marked() -> None:
    same = {"best": versus(0, 0), "popularity": versus(0, 0)}
    chapter = chapter_of(make_list_row("a", 0.2, versus=same), make_list_row("popularity", 0.2))
    assert chapter.text.endswith("beyond the interval: a. ")
    titles = [column.title for column in chapter.panels[0].tables[0].columns]
    better = titles.index("Better")
    assert [row[better] for row in chapter.panels[0].tables[0].rows] == ["no", "–"]


def test_figures_at_each_length_and_of_all_lists_are_shown() -> None:
    panels = panels_of(*samples.make_lists_board().rows)
    lengths = panels["lists-lengths"]
    assert lengths.heading == "Figures at 5, 10 movies"
    assert lengths.tables[0].rows[0][:3] == ["mf", "5", "0.150"]
    assert lengths.tables[0].rows[3] == [
        *("mf", "10", "0.300", "0.180", "0.150", "0.120", "0.360", "0.450")
    ]
    variety = panels["lists-variety"]
    assert variety.heading == (
        "Lists show 30.0% of the catalogue at most (mf), 10.0% at least (bias)"
    )
    assert variety.tables[0].rows[0] == [
        *("mf", "30.0%", "0.700", "3.500", "1.250", "0.750", "400")
    ]
    assert "share genres" in variety.text


def test_groups_by_activity_say_where_lists_are_below_popularity() -> None:
    worse = make_list_row("mf", 0.3)
    worse["by_activity"][1]["ndcg"] = 0.05
    panel = panels_of(worse, make_list_row("popularity", 0.2))["lists-activity"]
    assert panel.heading == (
        "By users’ ratings in train: NDCG@10 of mf 0.050 at 16–31, 0.600 at 32–63; "
        "below popularity at 16–31"
    )
    # 1.96 · 0.3 / √200 of the second group; the first one has too few users.
    assert panel.tables[0].rows[1] == ["16–31", "200", "0.050", "0.100", "0.042"]
    assert panel.tables[0].few == {0}


def test_lists_below_popularity_everywhere_are_not_counted_up() -> None:
    panel = panels_of(make_list_row("popularity", 0.2), make_list_row("mf", 0.1))["lists-activity"]
    assert panel.heading.endswith("; below popularity in every group")


def test_lists_of_few_users_are_not_praised() -> None:
    few = make_list_row("mf", 0.3, num_users=40)
    assert panels_of(few)["lists-board"].heading == "Lists of 40 users, too few for a conclusion"


def test_when_popularity_is_best_the_heading_says_so() -> None:
    tied = make_list_row("mf", 0.19, versus={"best": versus(-0.01), "popularity": versus(-0.01)})
    panels = panels_of(make_list_row("popularity", 0.2), tied)
    assert panels["lists-board"].heading == (
        "No lists are better than popularity: NDCG@10 0.200 over 380 users; the test set cannot "
        "distinguish them from those of mf"
    )


def test_the_rating_that_counts_as_liked_is_told() -> None:
    text = panels_of(make_list_row("mf", 0.3, relevant_rating=7.0))["lists-board"].text
    assert "rated 7 or higher in test" in text


def test_lists_that_cannot_be_measured_say_why() -> None:
    why = "all ratings of train are the same"
    row = make_list_row("mf", 0.1, num_users=0, unmeasured=why, relevant_rating=None)
    panels = panels_of({**row, **NO_FIGURES, "by_activity": []})
    assert set(panels) == {"lists-board", "lists-variety"}
    panel = panels["lists-board"]
    assert panel.heading == "Lists cannot be measured"
    assert f"Lists of mf are not measured: {why}." in panel.text
    assert panel.tables[0].rows[0][1] == "–"


def run_with(folder: Path, rows: list[dict[str, Any]]) -> Inventory:
    """Return a run whose lists of mf and bias are current, with these figures."""
    made = {
        f"recommendations/{name}": samples.manifest(
            "recommend", f"r-{name}", inputs={"model": f"m-{name}"}
        )
        for name in ("mf", "bias")
    }
    (folder / "lists.json").write_text(json.dumps(rows))
    inventory = samples.make_inventory(**made)
    return Inventory(RunPaths(str(folder)), inventory.manifests)


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({}, ["mf", "popularity", "bias"]),
        ({"recommendations": "earlier"}, ["popularity", "bias"]),
        ({"test": "earlier"}, ["popularity", "bias"]),
    ],
)
def test_only_figures_of_current_lists_are_read(
    tmp_path: Path, changes: dict[str, Any], kept: list[str]
) -> None:
    rows = samples.make_lists_board().rows
    board = read_lists(run_with(tmp_path, [{**rows[0], **changes}, *rows[1:]]))
    assert [row["model"] for row in board.rows] == kept
    assert board.unmeasured == (["mf"] if changes else [])
    assert ("best" in board.rows[-1]["versus"]) == (not changes)
    assert board.ranking == [*(name for name in kept if name != "popularity"), "popularity"]


def test_popularity_alone_is_no_leaderboard(tmp_path: Path) -> None:
    rows = samples.make_lists_board().rows
    board = read_lists(run_with(tmp_path, [rows[1]]))
    assert (board.rows, board.unmeasured) == ([], ["bias", "mf"])
    assert "Run jobs/evaluate.py with" in make_lists(board, has_test=True).missing


def test_models_that_rank_only_are_not_missed_among_ratings(tmp_path: Path) -> None:
    inventory = samples.make_inventory(("bias", "popularity"))
    card = samples.manifest("baseline", "m-popularity", inputs={"train": "p"})
    card.counts["ranks_only"] = True
    inventory.manifests["models/popularity"] = card
    found = read_leaderboards(Inventory(RunPaths(str(tmp_path)), inventory.manifests))
    assert found.unmeasured == ["bias"]
