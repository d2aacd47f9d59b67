"""The gate stage on run directories that hold only manifests and metrics."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from recspark.config import Config, GateConfig
from recspark.contract.paths import RunPaths
from recspark.datasets.manifest import read_manifest
from recspark.datasets.step import Step
from recspark.errors import DataError, GateError
from recspark.files import json_files, storage
from recspark.ingest.load import LineCounts
from recspark.stages import gate
from tests.runs import prepared_counts

DATA = GateConfig(check="data", max_mean_drift=0.05)
MODEL = GateConfig(check="model", max_rmse_rise=0.01)


def publish(
    stage: str,
    path: str,
    inputs: dict[str, str] | None = None,
    counts: dict[str, Any] | None = None,
) -> str:
    """Publish a data set without files, and return its id."""
    step = Step(stage, {}, inputs or {}, (path,))
    with step:
        storage.make_folder(step.staging(path))
        return step.publish(path, None, counts).id


def write_run(
    root: Path, *, rmse: float = 0.9, mean: float = 3.5, rejects: int = 0, day: str | None = None
) -> Config:
    """Write a finished run of 1,000 lines and return its config."""
    paths = RunPaths(str(root))
    counts = LineCounts(1000, ratings=1000 - rejects, rejects=rejects, headers=0, blanks=0)
    ratings = publish(
        "ingest",
        paths.ratings,
        counts={**asdict(counts), "untimed": 3, "reasons": {"bad": rejects}},
    )
    # Rows are counted in Parquet files, and there are none.
    file = Path(paths.ratings) / "_MANIFEST.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"num_rows": 1000 - rejects}))
    facts = prepared_counts(rating_mean=mean)
    publish("prepare", paths.train, {"ratings": ratings}, facts)
    test = publish("prepare", paths.test, {"ratings": ratings}, facts)
    model = publish("train", paths.model("biased_mf"))
    scored = publish("score", paths.predictions("biased_mf"), {"model": model, "test": test})
    metrics = {"model": "biased_mf", "rmse": rmse, "protocol": "p", "predictions": scored}
    json_files.write_json(paths.metrics("biased_mf"), metrics)
    json_files.write_json(paths.leaderboard, [metrics])
    return Config(name="x", run_dir=str(root), gate=replace(MODEL, date=day))


def judge(config: Config, **changes: Any) -> None:
    gate.run(replace(config, gate=replace(config.gate, **changes)))


def pointer(tmp_path: Path) -> dict[str, Any]:
    return dict(json.loads((tmp_path / "accepted-x.json").read_text()))


def test_first_run_is_accepted_and_pointed_to(tmp_path: Path) -> None:
    config = write_run(tmp_path / "a", rmse=0.91, mean=3.6, rejects=7)
    judge(config, check="data")
    assert not (tmp_path / "accepted-x.json").exists()
    judge(config)
    record = pointer(tmp_path)
    assert record["run_dir"] == str(tmp_path / "a")
    assert (record["model"], record["rmse"], record["date"]) == ("biased_mf", 0.91, None)
    figures = {"num_lines": 1000, "num_rejects": 7, "num_ratings": 993, "rating_mean": 3.6}
    assert record["figures"] == figures


def test_a_worse_model_leaves_the_pointer(tmp_path: Path) -> None:
    judge(write_run(tmp_path / "a", rmse=0.90))
    with pytest.raises(GateError, match=r"RMSE 0\.9200 where the accepted biased_mf has 0\.9000"):
        judge(write_run(tmp_path / "b", rmse=0.92))
    assert pointer(tmp_path)["run_dir"] == str(tmp_path / "a")
    judge(write_run(tmp_path / "c", rmse=0.905))
    assert pointer(tmp_path)["run_dir"] == str(tmp_path / "c")


def test_data_that_drifted_is_refused(tmp_path: Path) -> None:
    judge(write_run(tmp_path / "a", mean=3.5))
    judge(write_run(tmp_path / "b", mean=3.54), check="data")
    with pytest.raises(GateError, match=r"mean rating 3\.6000"):
        judge(write_run(tmp_path / "c", mean=3.6), check="data")
    with pytest.raises(GateError, match="20 of 1,000 lines refused"):
        judge(write_run(tmp_path / "d", rejects=20), check="data")
    assert GateError.exit_code == 7


def test_judging_again_changes_nothing(tmp_path: Path) -> None:
    config = write_run(tmp_path / "a")
    judge(config)
    json_files.write_json(
        str(tmp_path / "accepted-x.json"), pointer(tmp_path) | {"accepted_at": "2026-01-01"}
    )
    before = (tmp_path / "accepted-x.json").read_bytes()
    judge(config)
    assert (tmp_path / "accepted-x.json").read_bytes() == before


def test_backfill_of_an_earlier_day_does_not_move_the_pointer_back(tmp_path: Path) -> None:
    judge(write_run(tmp_path / "2026-11-05", rmse=0.90, day="2026-11-05"))
    judge(write_run(tmp_path / "2026-11-03", rmse=0.89, day="2026-11-03"))
    assert pointer(tmp_path)["date"] == "2026-11-05"
    judge(write_run(tmp_path / "2026-11-06", rmse=0.90, day="2026-11-06"))
    assert pointer(tmp_path)["date"] == "2026-11-06"


def test_predictions_of_an_earlier_model_are_refused(tmp_path: Path) -> None:
    config = write_run(tmp_path / "a")
    file = Path(RunPaths(config.root).model("biased_mf")) / "_MANIFEST.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"id": "newer"}))
    with pytest.raises(DataError, match="from an earlier model"):
        judge(config)


def test_figures_of_earlier_predictions_are_refused(tmp_path: Path) -> None:
    """Fitted and scored again, but not evaluated: the RMSE is the old model's."""
    config = write_run(tmp_path / "a", rmse=0.5)
    paths = RunPaths(config.root)
    model = publish("train", paths.model("biased_mf"), counts={"epochs": 9})
    test = read_manifest(paths.test)
    assert test is not None
    inputs = {"model": model, "test": test.id}
    publish("score", paths.predictions("biased_mf"), inputs, {"model": "newer"})
    for name in (None, "biased_mf"):
        with pytest.raises(DataError, match=r"figures of earlier predictions.*jobs/evaluate\.py"):
            judge(config, model=name)
    assert not (tmp_path / "accepted-x.json").exists()


def test_leaderboard_with_one_outdated_row_names_no_best_model(tmp_path: Path) -> None:
    config = write_run(tmp_path / "a")
    paths = RunPaths(config.root)
    publish("score", paths.predictions("als"), counts={"rows": 2})
    rows = json_files.read_json(paths.leaderboard)
    json_files.write_json(paths.leaderboard, [*rows, {"model": "als", "predictions": "earlier"}])
    with pytest.raises(DataError, match=r"leaderboard\.json: found .* predictions of als"):
        judge(config)
    judge(config, model="biased_mf")  # its own figures are current


def test_counts_are_not_mixed_with_the_mean_of_earlier_ratings(tmp_path: Path) -> None:
    config = write_run(tmp_path / "a")
    publish("ingest", RunPaths(config.root).ratings, counts={"lines": 5})
    for check in ("data", "model"):
        with pytest.raises(DataError, match=r"train: found .*earlier ratings.*jobs/prepare\.py"):
            judge(config, check=check)


def test_runs_of_another_name_have_their_own_pointer(tmp_path: Path) -> None:
    judge(write_run(tmp_path / "a", rmse=0.5))
    other = replace(write_run(tmp_path / "b", rmse=0.9), name="../y z")
    judge(other)
    names = sorted(path.name for path in tmp_path.glob("accepted*"))
    assert names == ["accepted-.._y_z.json", "accepted-x.json"]


def test_unfinished_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Run jobs/evaluate\.py"):
        judge(Config(name="x", run_dir=str(tmp_path / "none"), gate=MODEL))
    with pytest.raises(DataError, match=r"Run jobs/ingest\.py"):
        judge(Config(name="x", run_dir=str(tmp_path / "none"), gate=DATA))


def test_pointer_may_lie_elsewhere_and_shows_no_credentials(tmp_path: Path) -> None:
    elsewhere = str(tmp_path / "x" / "now.json")
    judge(write_run(tmp_path / "a"), accepted=elsewhere)
    assert not (tmp_path / "accepted-x.json").exists()
    assert json_files.read_json(elsewhere)["model"] == "biased_mf"
