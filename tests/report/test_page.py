"""The page as text: what is on it, escaped, with nothing to load, whatever is missing."""

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
from recspark.report.assemble import make_report
from recspark.report.chapter import Chapter, Cloud
from recspark.report.embedding import Embedding
from recspark.report.findings import Findings
from recspark.report.inventory import Inventory
from recspark.report.leaderboards import Measured
from recspark.report.page import render_report
from recspark.report.people import make_map, make_neighbors
from recspark.report.results import make_results
from recspark.report.training_curves import make_learning
from tests.explore.test_page import PLOTS as RATING_PLOTS
from tests.pages import read
from tests.report import samples
from tests.report.samples import HOSTILE

PLOTS = {
    *RATING_PLOTS,
    *("leaderboard", "calibration", "training-mf", "stages"),
    *(f"errors-{cut}" for cut in ("user_activity", "movie_popularity", "rating_value", "month")),
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
    # The user's card twice, the neighbours' card once or more, and the table of explore.
    assert reader.texts.count(HOSTILE) >= 4
    assert HOSTILE in cloud(page)["labels"]
    assert page.count("</script>") == 2


def test_nothing_is_loaded_and_only_the_maps_script_may_run(page: str) -> None:
    reader = read(page)
    assert not {"iframe", "img", "object", "link"} & set(reader.tags) - {"link"}
    assert all(link.startswith(("#", "data:")) for link in reader.links)
    assert "@import" not in page
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert "default-src 'none'" in policy
    [allowed] = re.findall(r"script-src '?(?:&#39;)?sha256-([^'&]*)", policy)
    script = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert allowed == digest


def test_figures_are_those_of_the_run(page: str, findings: Findings) -> None:
    reader, board = read(page), findings.measured.boards[0]
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


def test_map_keeps_places_and_titles(page: str, findings: Findings) -> None:
    found = cloud(page)
    assert found["labels"] == samples.make_movies().labels[:50]
    assert found["ratings"] == [3 * count for count in range(60, 10, -1)]
    # Distances are those of the first two principal components, by NumPy's SVD.
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
    "errors": "jobs/evaluate.py",
    "calibrated": "jobs/evaluate.py",
    "training": "jobs/train.py --models biased_mf",
    "people": "jobs/recommend.py",
    "neighbors": "jobs/train.py",
    "map": "jobs/baseline.py --models als",
    "data": "jobs/explore.py",
}


def test_what_is_missing_says_how_to_get_it(page: str) -> None:
    def told(text: str) -> list[str]:
        return re.findall(r'(?<!<noscript>)<p class="missing">(.*?)</p>', text, re.DOTALL)

    assert not told(page)
    bare = Findings("bare", samples.make_inventory(), Measured([], ["mf"]), [])
    chapters = re.split('<h2 id="([a-z]+)">', make_report(bare))
    found = {name: told(text) for name, text in zip(chapters[1::2], chapters[2::2], strict=True)}
    assert found.pop("ran") == []
    assert found.keys() == MISSING.keys()
    for name, [text] in found.items():
        assert MISSING[name] in text


def test_a_run_that_only_ingested_has_a_page() -> None:
    ratings = samples.make_inventory().manifests["ratings"]
    paths = RunPaths("s3://key:hunter2@bucket/run")
    page = make_report(Findings("bare", Inventory(paths, {"ratings": ratings}), Measured(), []))
    reader = read(page)
    assert set(reader.svgs) == {"stages"}
    assert "script" not in reader.tags
    assert "hunter2" not in page
    assert "bucket/run" in page


def test_too_few_movies_for_a_map_is_told() -> None:
    lonely = Embedding("mf", np.arange(1), np.zeros((1, 4), np.float32))
    for make in (make_map, make_neighbors):
        assert "report.min_ratings" in make(lonely, samples.make_movies(), 20).missing


def test_same_findings_give_the_same_page() -> None:
    first, second = (
        make_report(dataclasses.replace(samples.make_findings(), statistics=None)) for _ in range(2)
    )
    assert first == second


def test_a_first_epoch_far_off_is_told_and_not_drawn() -> None:
    told = "The first epoch lies above the plot (RMSE on train 9.5000, on valid 1.0000)."
    for first, is_told in ((9.5, True), (1.2, False)):
        chapter = make_learning(samples.make_inventory(), [samples.make_training(first=first)])
        assert (told in chapter.panels[0].text) == is_told


def test_models_without_valid_are_drawn() -> None:
    training = samples.make_training(num_epochs=2)
    for epoch in training.epochs:
        epoch["valid_rmse"] = None
    [panel] = make_learning(samples.make_inventory(), [training]).panels
    assert panel.heading == "mf: RMSE – at epoch 2 of 2"
    assert panel.drawing is not None


def test_two_protocols_have_tables_of_their_own() -> None:
    other = samples.make_board()
    renamed = [{**row, "protocol": "another"} for row in other.rows]
    boards = [samples.make_board(), dataclasses.replace(other, rows=renamed)]
    panels = make_results(samples.make_inventory(), Measured(boards)).panels
    assert [panel.name for panel in panels] == ["leaderboard", "leaderboard-2", "top-n"]
    assert panels[1].text.startswith("another (20,000 test ratings)")


def test_the_map_of_as_many_movies_as_the_netflix_set_has_stays_small() -> None:
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
