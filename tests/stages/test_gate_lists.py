"""The gate of lists on run directories with real lists and figures written by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from recspark.cli import main
from recspark.config import Config, GateConfig
from recspark.contract import columns as c
from recspark.contract import schemas
from recspark.contract.paths import RunPaths
from recspark.contract.schemas import IdTypes
from recspark.datasets.manifest import read_manifest
from recspark.datasets.step import Step
from recspark.errors import DataError, GateError
from recspark.files import json_files, parquet, storage
from recspark.ingest.load import LineCounts
from recspark.stages import gate
from tests.runs import prepared_counts

# Ten users who are shown two of six movies each.
USERS, MOVIES = list(range(100, 110)), [50, 51, 52, 53, 54, 55]
LISTS = {user: [50, 51] for user in USERS}


@dataclass(frozen=True, kw_only=True)
class Night:
    """What a run is written with."""

    lists: dict[str, dict[int, list[int]]] = field(default_factory=lambda: {"ease": LISTS})
    ndcg: float = 0.5
    over_popularity: tuple[float, float, float] | None = (0.2, 0.15, 0.25)
    titles: list[int] = field(default_factory=lambda: MOVIES)
    as_text: bool = False
    is_tested: bool = True
    asked: int = len(USERS)
    rmse: float = 0.9


def write_night(root: Path, night: Night = Night()) -> Config:
    """Write a finished run and return its config."""
    paths = RunPaths(str(root))
    kind = "STRING" if night.as_text else "BIGINT"
    types = IdTypes(kind, kind)

    def ids(values: list[int]) -> list[Any]:
        return [f"n{value}" for value in values] if night.as_text else values

    counts = LineCounts(1000, ratings=1000, rejects=0, headers=0, blanks=0)
    ingest = Step("ingest", {}, {}, (paths.ratings, paths.movies), are_apart=True)
    with ingest:
        storage.make_folder(ingest.staging(paths.ratings))
        titles = {c.MOVIE_ID: ids(night.titles)}
        empty = {name: [None] * len(night.titles) for name in (c.YEAR, c.TITLE, c.GENRES)}
        _write(ingest, paths.movies, schemas.MOVIES.with_ids(types), {**titles, **empty})
        ratings, _ = ingest.publish_all(
            [
                (paths.ratings, None, {**vars(counts), "untimed": 0, "reasons": {}}),
                (paths.movies, schemas.MOVIES.with_ids(types), None),
            ]
        )
    sets = {
        paths.user_index: (schemas.USER_INDEX, ids(USERS)),
        paths.movie_index: (schemas.MOVIE_INDEX, ids(MOVIES)),
    }
    prepare = Step(
        "prepare", {}, {"ratings": ratings.id}, (*sets, paths.train, paths.valid, paths.test)
    )
    facts = prepared_counts(num_users=len(USERS), num_movies=len(MOVIES))
    with prepare:
        outputs: list[Any] = []
        for path, (schema, values) in sets.items():
            filled = {c.ID: values, c.INDEX: range(len(values)), c.NUM_RATINGS: [1] * len(values)}
            _write(prepare, path, schema.with_ids(types), filled)
            outputs.append((path, schema.with_ids(types), None))
        for path in (paths.train, paths.valid, paths.test):
            rows = 0 if path == paths.test and not night.is_tested else 1
            # Only that there are rows counts here.
            schema = replace(schemas.USER_INDEX, columns={c.INDEX: "INT"})
            _write(prepare, path, schema, {c.INDEX: [1] * rows})
            outputs.append((path, schema, facts))
        test = prepare.publish_all(outputs)[-1]
    board = []
    for name, lists in night.lists.items():
        model = publish_model(paths, name, night)
        path = paths.recommendations(name)
        inputs = {"train": test.id, "valid": test.id, "model": model}
        step = Step("recommend", {"model": name, "top_n": 2}, inputs, (path,))
        with step:
            rows = [(u, at, m) for u, movies in lists.items() for at, m in enumerate(movies, 1)]
            listed = {
                c.USER_ID: ids([user for user, _, _ in rows]),
                c.RANK: [rank for _, rank, _ in rows],
                c.MOVIE_ID: ids([movie for _, _, movie in rows]),
            }
            schema = schemas.RECOMMENDATIONS.with_ids(types)
            schema = replace(schema, columns={x: schema.columns[x] for x in listed})
            _write(step, path, schema, listed)
            made = step.publish(path, schema, {"users": night.asked, "lists": len(lists)})
        board.append(_row(name, made.id, test.id, night))
    model = publish_model(paths, "bias", night)
    scored = Step("score", {}, {"model": model, "test": test.id}, (paths.predictions("bias"),))
    with scored:
        storage.make_folder(scored.staging(paths.predictions("bias")))
        predictions = scored.publish(paths.predictions("bias"), None).id
    metrics = {"model": "bias", "rmse": night.rmse, "protocol": "p", "predictions": predictions}
    json_files.write_json(paths.metrics("bias"), metrics)
    json_files.write_json(paths.leaderboard, [metrics])
    json_files.write_json(paths.lists_leaderboard, board)
    models = ("bias", *night.lists)
    return Config(name="x", run_dir=str(root), models=models, gate=GateConfig(check="lists"))


def publish_model(paths: RunPaths, name: str, night: Night) -> str:
    """Publish an empty model and return its id."""
    step = Step("baseline", {}, {}, (paths.model(name),))
    with step:
        storage.make_folder(step.staging(paths.model(name)))
        return step.publish(paths.model(name), None, {"of": repr((name, night))}).id


def _write(step: Step, path: str, schema: schemas.Schema, values: dict[str, Any]) -> None:
    parquet.write_table(pa.table(dict(values)), step.staging(path), schema)


def _row(name: str, lists: str, test: str, night: Night) -> dict[str, Any]:
    over = night.over_popularity
    versus = dict(zip(("difference", "low", "high"), over or (), strict=False))
    return {
        "model": name,
        "protocol": "p; first 2",
        "test": test,
        "recommendations": lists,
        "k": 2,
        "unmeasured": None,
        "ndcg": night.ndcg,
        "intervals": {"ndcg": [night.ndcg - 0.03, night.ndcg + 0.03]},
        "versus": {"popularity": {"ndcg": versus}} if over else {},
    }


def judge(config: Config, **changes: Any) -> None:
    gate.run(replace(config, gate=replace(config.gate, **changes)))


def promote(config: Config) -> None:
    """Judge lists and model, as a night does."""
    judge(config)
    judge(config, check="model")


def verdict(config: Config) -> dict[str, Any]:
    return dict(json_files.read_json(RunPaths(config.root).lists_verdict))


def pointer(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "accepted-x.json").read_text()))


def changed(count: int) -> dict[int, list[int]]:
    """Return the lists with one of two movies changed for the first users."""
    return {u: [50, 52] if u < USERS[0] + count else movies for u, movies in LISTS.items()}


@pytest.mark.parametrize("as_text", [False, True], ids=["numbers", "text"])
def test_nights_are_compared_with_the_accepted_one(
    tmp_path: Path, as_text: bool, caplog: pytest.LogCaptureFixture
) -> None:
    first = write_night(tmp_path / "a", Night(as_text=as_text))
    with caplog.at_level("INFO"):
        judge(first)
    assert not (tmp_path / "accepted-x.json").exists()
    assert "lists of ease: 10 of 10 users served, 20 rows, 0 without a title, NDCG" in caplog.text
    judge(first, check="model")
    manifest = read_manifest(RunPaths(first.root).recommendations("ease"))
    assert manifest is not None
    assert pointer(tmp_path)["lists"]["ease"]["id"] == manifest.id
    # Half of the list of four of ten users.
    second = write_night(tmp_path / "b", Night(lists={"ease": changed(4)}, as_text=as_text))
    promote(second)
    counts = verdict(second)["lists"]["ease"]["counts"]
    assert (counts["num_shared"], counts["churn"]) == (10, pytest.approx(0.2))
    assert verdict(second)["compared_with"] == first.root
    assert pointer(tmp_path)["lists"] == verdict(second)["lists"]
    third = write_night(tmp_path / "c", Night(as_text=as_text))
    with pytest.raises(GateError, match=r"lists of ease: 20\.0% of a list changed .*max_churn 10"):
        judge(third, max_churn=0.1)
    assert verdict(third)["faults"]


@pytest.mark.parametrize(
    ("night", "said"),
    [
        (Night(asked=12), r"10 of 12 users served \(83\.3%; gate\.min_served 90\.0%\)"),
        (Night(lists={"ease": {**LISTS, 100: [50, 50]}}), r"repeats of .* within a list: 1,"),
        (Night(lists={"ease": {**LISTS, 100: [50, 99]}}), r"ids that the run does not have: 1,"),
        (
            Night(titles=[50, 52, 53, 54, 55]),
            r"10 of 20 rows list movies that the titles file does not have, such as 51 \(50\.00%",
        ),
        (
            Night(over_popularity=(-0.2, -0.3, -0.1)),
            r"worse than popularity's by 0\.2000 \(0\.1000",
        ),
    ],
)
def test_first_night_meets_the_absolute_limits(tmp_path: Path, night: Night, said: str) -> None:
    config = write_night(tmp_path / "a", night)
    with pytest.raises(GateError, match=said):
        judge(config)
    # Neither are they let out by judging the model alone.
    with pytest.raises(GateError, match=said):
        judge(config, check="model")
    assert not (tmp_path / "accepted-x.json").exists()


def test_limits_are_settings(tmp_path: Path) -> None:
    worse = Night(titles=[50], over_popularity=(-0.2, -0.3, -0.1), asked=20)
    config = write_night(tmp_path / "a", worse)
    judge(config, max_vanished=0.5, min_served=0.5, worse_than_popularity="warn")
    assert verdict(config)["faults"] == []
    assert "worse than popularity's" in verdict(config)["warnings"][0]


def test_a_run_without_titles_has_no_vanished_movies(tmp_path: Path) -> None:
    judge(write_night(tmp_path / "a", Night(titles=[])))


def test_quality_is_compared_with_the_accepted_lists_of_the_model(tmp_path: Path) -> None:
    promote(write_night(tmp_path / "a", Night(ndcg=0.5)))
    # Both intervals reach .03: together .0424.
    judge(write_night(tmp_path / "b", Night(ndcg=0.46)))
    with pytest.raises(GateError, match=r"NDCG@2 0\.4500 where the accepted run had 0\.5000"):
        judge(write_night(tmp_path / "c", Night(ndcg=0.45)))
    other = write_night(tmp_path / "d", Night(lists={"als": LISTS}, ndcg=0.1))
    judge(other)  # nothing to compare with
    assert verdict(other)["lists"]["als"]["counts"]["churn"] is None


def test_runs_without_lists_pass_and_say_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    promote(write_night(tmp_path / "a"))
    config = write_night(tmp_path / "b", Night(lists={}))
    with caplog.at_level("INFO"):
        promote(config)
    assert "b has no lists to judge" in caplog.text
    assert "the accepted run has lists of ease, and this one has none" in caplog.text
    assert (pointer(tmp_path)["run_dir"], pointer(tmp_path)["lists"]) == (config.root, {})
    with pytest.raises(DataError, match=r"recommendations/ease: .* Run jobs/recommend\.py"):
        judge(config, lists=("ease",))


def test_only_the_lists_named_are_judged(tmp_path: Path) -> None:
    bad = {"ease": LISTS, "als": {100: [50, 50]}}
    config = write_night(tmp_path / "a", Night(lists=bad))
    judge(config, lists=("ease",))
    assert verdict(config)["lists"].keys() == {"ease"}
    with pytest.raises(GateError, match=r"lists of als: 1 of 10 users .*; lists of als: repeats"):
        judge(config)


@pytest.mark.parametrize("name", ["blend", "list_blend"])
def test_lists_of_a_blend_are_judged_where_none_are_named(tmp_path: Path, name: str) -> None:
    config = write_night(tmp_path / "a", Night(lists={name: LISTS}))
    judge(replace(config, models=("bias",)))
    assert verdict(config)["lists"].keys() == {name}


def test_runs_without_test_ratings_have_rows_judged_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = write_night(tmp_path / "a", Night(is_tested=False, over_popularity=(-1.0, -1.0, -1.0)))
    Path(RunPaths(config.root).lists_leaderboard).unlink()
    judge(config)
    assert "lists of ease: quality is not measured: the run has no test ratings" in caplog.text


def test_figures_of_other_lists_or_another_test_are_refused(tmp_path: Path) -> None:
    config = write_night(tmp_path / "a")
    path = RunPaths(config.root).lists_leaderboard
    [row] = json_files.read_json(path)
    for value in ([{**row, "recommendations": "earlier"}], [{**row, "test": "earlier"}], []):
        json_files.write_json(path, value)
        with pytest.raises(DataError, match=r"lists\.json: .* Run jobs/evaluate\.py"):
            judge(config)
    Path(path).unlink()
    with pytest.raises(DataError, match=r"lists\.json: .* Run jobs/evaluate\.py"):
        judge(config)


def test_lists_of_an_earlier_model_are_refused(tmp_path: Path) -> None:
    config = write_night(tmp_path / "a")
    publish_model(RunPaths(config.root), "ease", Night(rmse=0.1))
    with pytest.raises(DataError, match=r"recommendations/ease: .*earlier model.*recommend\.py"):
        judge(config)


def test_judging_accepted_lists_again_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = write_night(tmp_path / "a")
    promote(config)
    files = (tmp_path / "accepted-x.json", Path(RunPaths(config.root).lists_verdict))
    before = [path.read_bytes() for path in files]
    with caplog.at_level("INFO"):
        promote(config)
    assert [path.read_bytes() for path in files] == before
    assert "are already the accepted ones" in caplog.text


def test_lists_made_anew_in_the_accepted_run_replace_its_record(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    promote(write_night(tmp_path / "a"))
    # The night is run again with other settings of recommend. The model is the same.
    again = write_night(tmp_path / "a", Night(lists={"ease": changed(10)}))
    promote(again)
    assert pointer(tmp_path)["lists"] == verdict(again)["lists"]
    assert "churn of the lists of ease is not measured" in caplog.text


def test_accepted_lists_that_were_removed_leave_churn_unmeasured(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = write_night(tmp_path / "a")
    promote(first)
    storage.remove(RunPaths(first.root).recommendations("ease"))
    second = write_night(tmp_path / "b", Night(lists={"ease": changed(10)}))
    judge(second, max_churn=0.0)
    assert "churn of the lists of ease is not measured: the accepted ones" in caplog.text


def test_verdict_on_lists_made_anew_since_is_not_recorded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = write_night(tmp_path / "a")
    judge(config)
    config = write_night(tmp_path / "a", Night(lists={"ease": changed(1)}))
    judge(config, check="model")
    assert pointer(tmp_path)["lists"] == {}
    assert "lists of ease were made anew since they were judged" in caplog.text


def test_job_ends_with_exit_code_7(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_dir = tmp_path / "a"
    write_night(run_dir, Night(lists={"als": LISTS}, over_popularity=(-0.2, -0.3, -0.1)))
    config = tmp_path / "x.yaml"
    config.write_text(f"models: [bias, als]\nrun_dir: {run_dir}\n")
    words = ["gate", "--config", str(config), "--gate.check", "lists"]
    assert main(words) == 7
    said = capsys.readouterr().err
    assert "gate failed: gate lists" in said
    assert "worse than popularity's by 0.2000 (0.1000 to 0.3000" in said
    assert main([*words, "--gate.worse_than_popularity", "warn"]) == 0


def test_pointer_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    promote(write_night(tmp_path / "a", Night(lists={})))
    old = pointer(tmp_path)
    del old["lists"]
    json_files.write_json(str(tmp_path / "accepted-x.json"), old)
    promote(write_night(tmp_path / "b"))
    assert pointer(tmp_path)["lists"].keys() == {"ease"}
