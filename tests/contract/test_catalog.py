from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from recspark.contract.catalog import CATALOG, MODELS, DataSet
from recspark.contract.paths import RunPaths

ROOT = Path(__file__).resolve().parents[2]


def path_of(kind: DataSet) -> str:
    """Return where RunPaths puts a data set, found by its first folder's name."""
    paths = RunPaths("run")
    special = {
        "indexers/user": paths.user_indexer,
        "indexers/movie": paths.movie_indexer,
        "models/{model}": paths.model("{model}"),
        "scored_pairs/{file}/{model}": paths.scored_pairs("{file}", "{model}"),
        "metrics": paths.all_metrics,
    }
    if kind.place in special:
        return special[kind.place]
    found = getattr(paths, kind.place.partition("/")[0])
    return str(found("{model}") if callable(found) else found)


@pytest.mark.parametrize("kind", CATALOG, ids=lambda kind: kind.place)
def test_place_is_that_of_the_run_paths(kind: DataSet) -> None:
    assert path_of(kind) == f"run/{kind.place}"
    names = {"model": "{model}", "file": "{file}"}
    assert RunPaths("run").of(kind, **names) == f"run/{kind.place}"


@pytest.mark.parametrize("kind", CATALOG, ids=lambda kind: kind.place)
def test_every_job_exists(kind: DataSet) -> None:
    assert kind.jobs
    for job in kind.jobs:
        assert (ROOT / "jobs" / f"{job}.py").exists()


def test_schemas_are_named_like_their_place() -> None:
    for kind in CATALOG:
        assert kind.schema is None or kind.place.startswith(kind.schema.name)


def test_made_by_restricts_a_data_set_to_one_of_its_jobs() -> None:
    assert MODELS.made_by("train").jobs == ("train",)
    with pytest.raises(AssertionError):
        MODELS.made_by("score")


def read_dag_outputs() -> dict[str, list[str]]:
    """Return what the DAG says of each job's outputs; it cannot import recspark, nor we Airflow."""
    tree = ast.parse((ROOT / "jobs" / "airflow" / "recspark_dag.py").read_text())
    [outputs] = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "OUTPUTS"
    ]
    found: dict[str, list[str]] = ast.literal_eval(outputs)
    return found


def test_the_dag_looks_for_what_each_job_makes() -> None:
    makers = {kind.place: kind.jobs for kind in CATALOG}
    # Of evaluate, without a manifest.
    files = {"metrics/{model}.json", "leaderboard.json", "lists.json"}
    num_data_sets = 0
    for job, places in read_dag_outputs().items():
        for place in set(places) - files:
            assert job in makers[re.sub("/(list_)?blend$", "/{model}", place)], f"{job}: {place}"
            num_data_sets += 1
    assert num_data_sets > 10


def test_the_docs_name_every_data_set() -> None:
    pages = [(ROOT / "docs" / name).read_text() for name in ("jobs.md", "getting-started.md")]
    for kind in CATALOG:
        assert f"`{kind.place.partition('/')[0]}" in "".join(pages), kind.place
