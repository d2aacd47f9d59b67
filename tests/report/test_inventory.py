"""What counts as current, outdated or evaluated in a run directory."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from recspark.datasets.manifest import Manifest
from recspark.errors import DataError
from recspark.report.histories import read_trainings
from recspark.report.inventory import Inventory, take_inventory
from recspark.report.leaderboards import fingerprint_metrics, read_leaderboards
from recspark.report.what_ran import flatten, list_files, list_steps, sum_stages
from tests.report.samples import make_inventory, make_metrics, manifest


def write(root: Path, manifests: dict[str, Manifest]) -> Inventory:
    for name, one in manifests.items():
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "_MANIFEST.json").write_text(json.dumps(asdict(one)))
    return take_inventory(str(root))


def write_metrics(root: Path, *metrics: dict[str, Any]) -> None:
    (root / "metrics").mkdir(exist_ok=True)
    for one in metrics:
        (root / "metrics" / f"{one['model']}.json").write_text(json.dumps(one))


def test_data_sets_are_found_at_every_depth(tmp_path: Path) -> None:
    wanted = make_inventory(**{"scored_pairs/asked/mf": manifest("score_pairs", "x")}).manifests
    (tmp_path / "half" / "bucket=0").mkdir(parents=True)
    found = write(
        tmp_path, {**wanted, "report": manifest("report", "r"), ".x.tmp": wanted["train"]}
    )
    assert found.manifests == wanted
    assert found.paths.root == str(tmp_path)


def test_credentials_are_removed_from_manifests(tmp_path: Path) -> None:
    secret = manifest(
        "ingest",
        "i",
        settings={"ratings": "s3://me:hunter2@bucket/u.data", "api_key": "hunter2"},
        inputs={"s3://me:hunter2@bucket/u.data": "12@3"},
    )
    found = write(tmp_path, {"ratings": secret})
    assert "hunter2" not in repr(found)
    assert "bucket/u.data" in repr(found)


def test_damaged_manifest_is_named(tmp_path: Path) -> None:
    write(tmp_path, make_inventory().manifests)
    (tmp_path / "train" / "_MANIFEST.json").write_text('{"stage": ')
    with pytest.raises(DataError, match=r"train/_MANIFEST\.json: found an unreadable manifest"):
        take_inventory(str(tmp_path))


def test_data_sets_made_from_replaced_inputs_are_outdated() -> None:
    old = {
        "models/old": manifest("baseline", "m-old", inputs={"train": "earlier"}),
        "predictions/old": manifest("score", "s-old", inputs={"model": "m-old", "test": "p"}),
        "recommendations/mf": manifest("recommend", "l", inputs={"model": "m-earlier"}),
    }
    found = make_inventory(**old)
    assert list(found.models()) == ["bias", "mf"]
    assert sorted(found.outdated()) == sorted(old)
    assert found.made_by("mf", "recommendations") is None
    assert found.made_by("mf", "predictions") == found.get("predictions/mf")
    assert not make_inventory().outdated()


def test_only_figures_of_current_predictions_count(tmp_path: Path) -> None:
    models = ("bias", "mf", "als", "cosine_user", "new")
    inventory = write(tmp_path, make_inventory(models).manifests)
    write_metrics(
        tmp_path,
        make_metrics("bias", 2),
        make_metrics("mf", 1, 0.5),
        make_metrics("als", 3, predictions="earlier"),
        {"model": "cosine_user", "rmse": 1.0},  # written by an earlier version of recspark
    )
    leaderboards = read_leaderboards(inventory)
    assert leaderboards.ranking == ["mf", "bias"]
    assert leaderboards.unmeasured == ["als", "cosine_user", "new"]
    assert len(leaderboards.boards) == 1


def test_models_that_are_told_times_come_after_the_others_however_many(tmp_path: Path) -> None:
    models = ("bias", "t1", "t2", "t3")
    inventory = write(tmp_path, make_inventory(models).manifests)
    timed = {"protocol": "small; split random 0.1; times of test known", "uses_times": True}
    other = {"level": 0.95, "resamples": 2, "seed": 1, "rmse": [0.5, 0.6]}
    bias = make_metrics("bias", 2)
    write_metrics(
        tmp_path,
        bias,
        make_metrics("t1", 3, 0.6, **timed),
        make_metrics("t2", 1, 0.5, **timed),
        make_metrics("t3", 4, 0.5, **timed, bootstrap=other),
    )
    boards = read_leaderboards(inventory).boards
    assert [list(board.metrics) for board in boards] == [["bias"], ["t2", "t1"], ["t3"]]
    assert [board.uses_times for board in boards] == [False, True, True]
    rows = {row["model"]: row for board in boards for row in board.rows}
    assert [set(row["versus"]) for row in rows.values()] == [
        set(),
        {"bias"},
        {"best", "bias"},
        set(),
    ]
    found = rows["t2"]["versus"]["bias"]["difference"]
    assert found == pytest.approx(rows["t2"]["rmse"] - bias["rmse"])


def test_protocols_and_resamples_are_not_mixed(tmp_path: Path) -> None:
    models = ("bias", "mf", "als", "cosine_user")
    inventory = write(tmp_path, make_inventory(models).manifests)
    more = {"level": 0.95, "resamples": 2, "seed": 1, "rmse": [1.0, 1.1]}
    write_metrics(
        tmp_path,
        make_metrics("bias", 2),
        make_metrics("mf", 1),
        make_metrics("als", 3, protocol="another"),
        make_metrics("cosine_user", 4, bootstrap=more),
    )
    boards = read_leaderboards(inventory).boards
    assert sorted(boards[0].metrics) == ["bias", "mf"]
    assert sorted(name for board in boards[1:] for name in board.metrics) == ["als", "cosine_user"]
    assert len(boards) == 3


def test_only_the_content_of_metrics_counts(tmp_path: Path) -> None:
    inventory = write(tmp_path, make_inventory().manifests)
    write_metrics(tmp_path, make_metrics("mf", 1))
    before = fingerprint_metrics(inventory)
    assert before.keys() == {"metrics/mf"}
    write_metrics(tmp_path, make_metrics("mf", 1))
    assert fingerprint_metrics(inventory) == before
    write_metrics(tmp_path, make_metrics("mf", 2))
    assert fingerprint_metrics(inventory) != before


def test_histories_are_read_and_damaged_ones_named(tmp_path: Path) -> None:
    inventory = write(tmp_path, make_inventory().manifests)
    assert read_trainings(inventory) == []
    history = tmp_path / "models" / "mf" / "history.jsonl"
    history.write_text('{"epoch": 0, "rows_per_second": 7}\n{"epoch": 1, "rows_per_second": 8}\n')
    [training] = read_trainings(inventory)
    assert (training.model, training.architecture, training.kept_epoch) == ("mf", "biased_mf", 3)
    assert [record["epoch"] for record in training.epochs] == [0, 1]
    assert [record["ratings_per_second"] for record in training.epochs] == [7, 8]
    history.write_text('{"epoch": 0, "rows_per_second": 7}\n{"epo')
    with pytest.raises(DataError, match=r"history\.jsonl: found a damaged line.*jobs/train\.py"):
        read_trainings(inventory)


@pytest.mark.parametrize("architecture", ["autorec", "mult_vae"])
def test_the_speed_of_autoencoders_counts_the_ratings_of_their_users(
    tmp_path: Path, architecture: str
) -> None:
    made = make_inventory()
    train = dataclasses.replace(made.manifests["train"], num_rows=1200)  # of 40 users
    card = {"architecture": architecture, "best_epoch": 0}
    autorec = dataclasses.replace(made.manifests["models/mf"], counts=card)
    inventory = write(tmp_path, {**made.manifests, "train": train, "models/mf": autorec})
    (tmp_path / "models" / "mf" / "history.jsonl").write_text(
        '{"epoch": 0, "rows_per_second": 50, "valid_cold": 4}\n'
    )
    [training] = read_trainings(inventory)
    assert training.epochs[0]["ratings_per_second"] == 50 * 30
    assert training.num_cold == 4


def test_one_run_of_a_stage_counts_once() -> None:
    later = {
        "movies": manifest(
            "ingest", "i", num_rows=60, seconds=4.0, created_at="2026-01-02T03:04:09+00:00"
        ),
        "models/als": manifest("baseline", "m-als", inputs={"train": "p"}, seconds=10.0),
    }
    steps = list_steps(make_inventory(**later))
    [ingest] = [step for step in steps if step["stage"] == "ingest"]
    assert (ingest["outputs"], ingest["rows"], ingest["seconds"]) == ("movies, ratings", 460, 4.0)
    stages = {stage["stage"]: stage for stage in sum_stages(steps)}
    assert stages["baseline"]["runs"] == 2
    assert stages["baseline"]["seconds"] == 12.5
    assert steps[-1] == ingest  # it ended last


def test_raw_files_are_listed_by_name() -> None:
    comma = {"path": "/raw/a, b 7@x.txt", "size": 12, "modified": "1.5"}
    remote = {"path": "s3://x/y", "size": 7, "modified": "2026"}
    found = list_files(
        [
            manifest("ingest", "i", raw_files=[remote, comma]),
            manifest("prepare", "p", inputs={"ratings": "i"}, raw_files=[comma]),
        ]
    )
    assert found == [
        {"file": "/raw/a, b 7@x.txt", "size": 12},
        {"file": "s3://x/y", "size": 7},
    ]


def test_nested_settings_are_one_line_each() -> None:
    settings = {"a": {"b": None, "c": {"d": "text"}}, "e": [1, 2], "f": 0.5}
    assert flatten(settings) == [
        ("a.b", "null"),
        ("a.c.d", "text"),
        ("e", "[1, 2]"),
        ("f", "0.5"),
    ]
