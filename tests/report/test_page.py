"""The text of the page: content, escaping, nothing to load, and missing parts."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
from typing import Any

import numpy as np
import pytest

from recspark.contract.paths import RunPaths
from recspark.evaluation.leaderboard import rank_models
from recspark.explore.page import render_page
from recspark.report.assemble import make_report
from recspark.report.chapter import Chapter, Cloud
from recspark.report.embedding import Embedding
from recspark.report.findings import Findings
from recspark.report.inventory import Inventory
from recspark.report.leaderboards import Board, Leaderboards
from recspark.report.page import render_report
from recspark.report.people import make_examples, make_map, make_neighbors
from recspark.report.results import make_results
from recspark.report.training_curves import make_training_curves
from tests.pages import read
from tests.report import samples
from tests.report.samples import HOSTILE

PLOTS = {
    *("leaderboard", "lists-board", "lists-activity", "calibration", "training-mf", "stages"),
    *(f"errors-{name}" for name in ("user_activity", "movie_popularity", "rating_value", "month")),
}


def cloud(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return dict(json.loads(found.group(1)))


def test_every_plot_is_there(page: str) -> None:
    reader = read(page)
    assert set(reader.svgs) == PLOTS
    assert len(reader.ids) == len(set(reader.ids))
    links = {link[1:] for link in reader.links if link.startswith("#")}
    links |= set(re.findall(r"url\(#([^)]*)\)", page))
    assert len(links) > 20
    assert links <= set(reader.ids)


def test_titles_stay_text(page: str) -> None:
    reader = read(page)
    assert not {"img", "b"} & set(reader.tags)
    assert reader.tags.count("script") == 2
    # Twice on the user's card, and at least once on the neighbours' cards.
    assert reader.texts.count(HOSTILE) >= 3
    assert HOSTILE in cloud(page)["labels"]
    assert page.count("</script>") == 2


def test_nothing_is_loaded_and_only_the_script_of_the_map_may_run(page: str) -> None:
    reader = read(page)
    assert not {"iframe", "img", "object", "link"} & set(reader.tags) - {"link"}
    # Links to the page of the ratings load nothing.
    others = [link for link in reader.links if not link.startswith(("#", "data:"))]
    assert all(link.startswith("../explore/index.html#") for link in others)
    assert not re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="(?!data:)', page)
    assert "@import" not in page
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert "default-src 'none'" in policy
    [allowed] = re.findall(r"script-src '?(?:&#39;)?sha256-([^'&]*)", policy)
    script = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert allowed == digest


def test_page_shows_the_figures_of_the_run(page: str, findings: Findings) -> None:
    reader, board = read(page), findings.leaderboards.boards[0]
    for row in board.rows:
        assert f"{row['rmse']:.4f}" in reader.cells
    assert any(heading.startswith("mf has the lowest RMSE") for heading in reader.headings)
    assert "/raw/u.data" in reader.cells
    assert "1,234" in reader.cells
    for group in board.metrics["bias"]["cuts"]["month"]:
        assert group["month"] in reader.cells
    assert "the model itself" in reader.cells
    [fallbacks] = {
        f"{group['rmse']:.4f} ({group['num_rows']:,})"
        for group in board.metrics["mf"]["cuts"]["fallbacks"]
        if group["answered_by"] == "user_effect"
    }
    assert fallbacks in reader.cells
    assert "gave 4" in reader.texts


def test_map_keeps_positions_and_titles(page: str, findings: Findings) -> None:
    found = cloud(page)
    assert found["labels"] == samples.make_movies().labels[:50]
    assert found["ratings"] == [3 * count for count in range(60, 10, -1)]
    # Distances equal those in the first two principal components by NumPy's SVD.
    embedding = findings.embedding
    assert embedding is not None
    centred = embedding.vectors - embedding.vectors.mean(axis=0)
    plane = centred @ np.linalg.svd(centred.astype(float))[2][:2].T
    drawn = np.column_stack([found["x"], found["y"]]).astype(float)
    wanted = np.linalg.norm(plane[:, None] - plane, axis=2)
    scale = max(np.ptp(found["x"]), np.ptp(found["y"])) / max(np.ptp(plane, axis=0))
    assert np.linalg.norm(drawn[:, None] - drawn, axis=2) == pytest.approx(wanted * scale, abs=3)


MISSING = {
    "results": "jobs/evaluate.py",
    "lists": "jobs/recommend.py with --recommend.models MODEL, then jobs/evaluate.py",
    "errors": "jobs/evaluate.py",
    "calibrated": "jobs/evaluate.py",
    "training": "jobs/train.py --models biased_mf",
    "people": "jobs/recommend.py",
    "neighbors": "jobs/train.py",
    "map": "jobs/baseline.py --models als",
    "data": "jobs/explore.py",
}


def test_missing_parts_say_how_to_get_them(page: str) -> None:
    def find_missing(text: str) -> list[str]:
        return re.findall(r'(?<!<noscript>)<p class="missing">(.*?)</p>', text, re.DOTALL)

    assert not find_missing(page)
    bare = Findings("bare", samples.make_inventory(), Leaderboards([], ["mf"]), [])
    chapters = re.split('<h2 id="([a-z]+)">', make_report(bare))
    parts = zip(chapters[1::2], chapters[2::2], strict=True)
    found = {name: find_missing(text) for name, text in parts}
    assert found.pop("ran") == []
    assert found.keys() == MISSING.keys()
    for name, [text] in found.items():
        assert MISSING[name] in text


def test_a_run_without_test_ratings_says_so() -> None:
    inventory = samples.make_inventory()
    empty = dataclasses.replace(inventory.manifests["test"], num_rows=0)
    inventory = dataclasses.replace(inventory, manifests={**inventory.manifests, "test": empty})
    page = make_report(Findings("bare", inventory, Leaderboards([], ["mf"]), []))
    why = "This run has no test ratings, because prepare.test_fraction is 0"
    for chapter in ("results", "lists", "errors", "calibrated"):
        text = page.split(f'<h2 id="{chapter}">')[1].split("<h2 ")[0]
        assert why in text
        assert "jobs/evaluate.py" not in text
    assert "Not listed" not in page


def test_months_of_ratings_without_a_time() -> None:
    board = samples.make_board()
    for one in board.metrics.values():
        one["cuts"]["month"][-1]["month"] = None
    page = make_report(
        dataclasses.replace(samples.make_findings(), leaderboards=Leaderboards([board]))
    )
    assert "no time" in read(page).cells
    for one in board.metrics.values():
        one["cuts"]["month"] = one["cuts"]["month"][-1:]
    reader = read(
        make_report(
            dataclasses.replace(samples.make_findings(), leaderboards=Leaderboards([board]))
        )
    )
    assert "By month: no test rating has a time" in reader.headings
    assert "errors-month" not in reader.svgs


def test_a_run_that_only_ingested_has_a_page() -> None:
    ratings = samples.make_inventory().manifests["ratings"]
    paths = RunPaths("s3://key:hunter2@bucket/run")
    page = make_report(Findings("bare", Inventory(paths, {"ratings": ratings}), Leaderboards(), []))
    reader = read(page)
    assert set(reader.svgs) == {"stages"}
    assert "script" not in reader.tags
    assert "hunter2" not in page
    assert "bucket/run" in page


def test_too_few_movies_for_a_map_are_reported() -> None:
    lonely = Embedding("mf", np.arange(1), np.zeros((1, 4), np.float32))
    for make in (make_map, make_neighbors):
        assert "report.min_ratings" in make(lonely, samples.make_movies(), 20).missing


def test_ratings_are_summarised_with_links_to_their_page(page: str, findings: Findings) -> None:
    chapter = page.split('<h2 id="data">')[1].split("<h2 ")[0]
    assert "<svg" not in chapter
    assert "<table" not in chapter
    assert findings.statistics is not None
    other = read(render_page("small", findings.statistics))
    links = re.findall(r'href="../explore/index.html#([^"]*)"', chapter)
    assert links == other.sections
    assert all(text in read(page).texts for text in other.headings[1:])


def test_page_begins_with_the_date_of_its_newest_figures() -> None:
    made = samples.make_inventory(
        ratings=samples.manifest("ingest", "i", created_at="2026-11-27T23:31:02+00:00")
    )
    page = make_report(Findings("bare", made, Leaderboards(), []))
    assert "As of 2026-11-27 23:31 UTC" in page.split("</header>")[0]


def test_percent_has_one_form_and_minus_is_no_hyphen(page: str) -> None:
    assert not re.findall(r"\d[ \N{NO-BREAK SPACE}]%", page)
    assert re.findall(r"\d%", page)
    reader = read(page)
    assert not [text for text in reader.cells if re.search(r"(?<![\w])-\d", text)]
    assert any(text.startswith("\N{MINUS SIGN}0.") for text in reader.cells)


def test_every_column_of_the_leaderboard_has_a_name(page: str) -> None:
    part = page.split('id="leaderboard"')[1].split("</section>")[0]
    names = re.findall(r"<th[^>]*>([^<]*)</th>", part)
    assert names[:5] == ["Model", "RMSE", "vs bias", "vs best", "Tied with best"]
    assert all(names)
    assert ">=<" not in part


def test_ties_are_shown() -> None:
    tied = {"difference": 0.001, "low": -0.001, "high": 0.003, "is_tie": True}
    board = samples.make_board()
    rows = [board.rows[0], {**board.rows[1], "versus": {"best": tied}}]
    leaderboards = Leaderboards([dataclasses.replace(board, rows=rows)])
    panel = make_results(samples.make_inventory(), leaderboards).panels[0]
    assert [row[4] for row in panel.tables[0].rows] == ["–", "yes"]
    assert panel.heading.endswith("the test set cannot distinguish it from bias")


def test_a_model_worse_than_bias_is_named_on_top() -> None:
    metrics = [samples.make_metrics("mf", 1, 2.0), samples.make_metrics("bias", 2, 0.5)]
    board = Board(rank_models(metrics), {one["model"]: one for one in metrics})
    text = make_results(samples.make_inventory(), Leaderboards([board])).text
    assert text == "Worse than bias, which knows no taste, beyond the interval: mf. "
    assert make_results(samples.make_inventory(), Leaderboards([samples.make_board()])).text == ""


def test_without_bias_there_is_no_column_for_it() -> None:
    metrics = [samples.make_metrics("mf", 1)]
    board = Board(rank_models(metrics), {"mf": metrics[0]})
    [panel, *_] = make_results(samples.make_inventory(), Leaderboards([board])).panels
    assert [column.title for column in panel.tables[0].columns][:3] == ["Model", "RMSE", "vs best"]


def test_plots_show_counts(page: str) -> None:
    for text in (
        "20,000 test ratings of 400 users",
        "Epoch (800 ratings in valid)",
        "Grey bars: test ratings",
        "mf (n = 20 k)",
        "train (1)",
    ):
        assert f">{text}<" in page, text


def test_examples_say_how_many_ratings_a_listed_movie_needs() -> None:
    lists = samples.manifest("recommend", "r", settings={"min_ratings": 20})
    example = samples.make_findings().examples
    for least, rare in ((20, "movies with fewer ratings"), (1, "movies that hardly anyone rated")):
        text = make_examples("mf", example, {"min_ratings": least}).text
        assert f"recommend.min_ratings is {least}: {rare}" in text
    made = samples.make_inventory(**{"recommendations/mf": lists})
    page = make_report(dataclasses.replace(samples.make_findings(), inventory=made))
    assert "recommend.min_ratings is 20" in page


def test_same_findings_give_the_same_page() -> None:
    first, second = (
        make_report(dataclasses.replace(samples.make_findings(), statistics=None)) for _ in range(2)
    )
    assert first == second


def test_a_first_epoch_far_off_is_mentioned_but_not_drawn() -> None:
    note = "The first epoch lies above the plot (RMSE on train 9.5000, on valid 1.0000)."
    for first, is_noted in ((9.5, True), (1.2, False)):
        training = samples.make_training(first=first)
        chapter = make_training_curves(samples.make_inventory(), [training])
        assert (note in chapter.panels[0].text) == is_noted


def test_models_without_valid_are_drawn() -> None:
    training = samples.make_training(num_epochs=2)
    for epoch in training.epochs:
        epoch["valid_rmse"] = None
    [panel] = make_training_curves(samples.make_inventory(), [training]).panels
    assert panel.heading == "mf: RMSE – at epoch 2 of 2"
    assert "±" not in panel.heading
    assert panel.drawing is not None


def test_models_that_rank_show_their_ndcg() -> None:
    for last, figure in ((0.25, "0.2500"), (None, "–")):
        training = samples.make_training(num_epochs=2)
        for epoch in training.epochs:
            epoch |= {"train_rmse": None, "valid_rmse": None, "train_loss": 7.5}
            epoch["valid_ndcg"] = last
        [panel] = make_training_curves(samples.make_inventory(), [training]).panels
        assert panel.heading == f"mf: NDCG {figure} at epoch 2 of 2"
        [table] = panel.tables
        assert "RMSE" not in " ".join(column.title for column in table.columns)
        assert [row[2] for row in table.rows] == [figure, figure]
        assert panel.drawing is not None


def test_ratings_that_the_rmse_on_valid_leaves_out_are_counted() -> None:
    for num_cold, half in ((0, "± 0.0461"), (300, "± 0.0583")):  # 1.96 · 0.94 / √(2 · measured)
        training = samples.make_training()
        for epoch in training.epochs:
            epoch["valid_cold"] = num_cold
        [panel] = make_training_curves(samples.make_inventory(), [training]).panels
        assert half in panel.heading
        assert ("leaves out 300 ratings whose user or movie" in panel.text) == bool(num_cold)


def test_cautious_lists_say_what_their_scores_are(findings: Findings) -> None:
    note = "Scores are predictions less 1.5 × their standard deviation."
    assert make_examples("mf", findings.examples, {"caution": 1.5}).text.endswith(note)
    assert "deviation" not in make_examples("mf", findings.examples).text


def test_empty_lists_are_not_shown_as_examples() -> None:
    chapter = make_examples("mf", [])
    assert chapter.missing.startswith("The lists of mf are empty.")
    assert not chapter.cards


def test_two_protocols_have_separate_tables() -> None:
    other = samples.make_board()
    renamed = [{**row, "protocol": "another"} for row in other.rows]
    boards = [samples.make_board(), dataclasses.replace(other, rows=renamed)]
    panels = make_results(samples.make_inventory(), Leaderboards(boards)).panels
    assert [panel.name for panel in panels] == ["leaderboard", "leaderboard-2"]
    assert panels[1].text.startswith("another (20,000 test ratings)")


def test_models_that_are_told_times_are_not_called_the_best_of_all() -> None:
    timed = samples.make_board("timed")
    rows = [{**row, "uses_times": True} for row in timed.rows]
    boards = [samples.make_board(), dataclasses.replace(timed, rows=rows)]
    plain, told = make_results(samples.make_inventory(), Leaderboards(boards)).panels
    assert plain.heading.startswith("mf has the lowest RMSE")
    assert told.heading.startswith("Told when each test rating was given: timed has the lowest")
    assert "not ranked with models that are not" in told.text
    assert "not ranked" not in plain.text


def test_a_map_of_all_movies_of_the_netflix_set_stays_small() -> None:
    draw = np.random.default_rng(4)
    size = 17_770
    cloud = Cloud(
        x=draw.normal(size=size).tolist(),
        y=draw.normal(size=size).tolist(),
        labels=[f"A title of about the usual length {number} (1999)" for number in range(size)],
        ratings=draw.integers(3, 230_000, size).tolist(),
        num_named=10,
    )
    page = render_report("t", "runs/t", "2026-01-02", [], [Chapter("map", "A map", cloud=cloud)])
    assert len(page.encode()) < 2_000_000
