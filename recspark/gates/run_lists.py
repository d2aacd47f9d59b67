"""Opens the lists of a run for their gate, with what they are compared with."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np

from recspark.arrays.ids import from_arrow
from recspark.arrays.lookup import Lookup
from recspark.config import Config
from recspark.contract import columns as c
from recspark.contract.catalog import MODELS, RECOMMENDATIONS, TEST
from recspark.contract.paths import BLENDS, RunPaths
from recspark.datasets.id_maps import read_index_ids
from recspark.datasets.lineage import require_current
from recspark.datasets.manifest import Manifest, read_manifest, require_manifest
from recspark.errors import DataError, describe
from recspark.evaluation.leaderboard import read_figures
from recspark.evaluation.lists_leaderboard import YARDSTICK
from recspark.files import parquet
from recspark.gates.accepted import Accepted
from recspark.gates.judged_lists import JudgedLists, Quality
from recspark.gates.list_rows import Known, StoredLists, count_rows

logger = logging.getLogger(__name__)


def find_judged(config: Config, train: Manifest) -> dict[str, Manifest]:
    """Return the manifests of the lists that `gate.lists` names, or of all that the run has.

    Args:
        config: The run's config.
        train: Manifest of train.

    Raises:
        DataError: Named lists are missing, or lists were made from an earlier model or train.
    """
    paths, found = RunPaths(config.root), {}
    for name in config.gate.lists or (*config.models, *BLENDS):
        path = paths.recommendations(name)
        manifest = read_manifest(path)
        if config.gate.lists:
            manifest = require_manifest(path, RECOMMENDATIONS)
        if manifest is not None:
            model = require_manifest(paths.model(name), MODELS)
            require_current(path, manifest, model=model, train=train)
            found[name] = manifest
    return found


def measure_run(
    config: Config, lists: dict[str, Manifest], train: Manifest, accepted: Accepted | None
) -> Iterator[tuple[str, JudgedLists]]:
    """Yield each model with what is known of its lists.

    Args:
        config: The run's config.
        lists: Model to the manifest of its lists.
        train: Manifest of train.
        accepted: The run to compare with.

    Raises:
        DataError: `lists.json` is missing, or has other figures than those of these lists on the
            current test.
    """
    paths = RunPaths(config.root)
    test = require_manifest(paths.test, TEST)
    measured = read_figures(paths.lists_leaderboard, paths) if test.num_rows else None
    known = _open_index(paths, train)
    for name, manifest in lists.items():
        quality: Quality | None = None
        unmeasured: str | None = "the run has no test ratings"
        if measured is not None:
            quality, unmeasured = _find_quality(paths, name, measured, test)
        stored = _stored(paths.recommendations(name), manifest)
        found = JudgedLists(
            id=manifest.id,
            num_asked=manifest.counts["users"],
            counts=count_rows(stored, known, _find_before(name, accepted)),
            quality=quality,
            unmeasured=unmeasured,
        )
        yield name, found


def _open_index(paths: RunPaths, train: Manifest) -> Known:
    users = Lookup.of(read_index_ids(paths.user_index, train))
    movies = Lookup.of(read_index_ids(paths.movie_index, train))
    has_title = np.zeros(len(movies), bool)
    is_empty = True
    for batch in parquet.read_batches(paths.movies, [c.MOVIE_ID]):
        place = movies.find(from_arrow(batch.column(c.MOVIE_ID)))
        has_title[place[place >= 0]] = True
        is_empty = is_empty and not len(place)
    return Known(users, movies, None if is_empty else has_title)


def _find_quality(
    paths: RunPaths, name: str, measured: list[dict[str, Any]], test: Manifest
) -> tuple[Quality | None, str | None]:
    """Return the quality of a model's lists, and why there is none."""
    row = next((one for one in measured if one["model"] == name), None)
    if row is None or row["test"] != test.id:
        raise DataError(
            describe(
                paths.lists_leaderboard,
                found=f"no figures of the lists of {name} on the current test",
                expected="those of every model that has lists",
                remedy="Run jobs/evaluate.py with the same --config again.",
            )
        )
    if row["unmeasured"]:
        return None, row["unmeasured"]
    over = row["versus"].get(YARDSTICK)
    over = over and tuple(over["ndcg"][key] for key in ("difference", "low", "high"))
    low, high = row["intervals"]["ndcg"]
    quality = Quality(
        protocol=row["protocol"],
        k=row["k"],
        ndcg=row["ndcg"],
        low=low,
        high=high,
        over_popularity=over,
    )
    return quality, None


def _find_before(name: str, accepted: Accepted | None) -> StoredLists | None:
    """Return the lists of a model in the accepted run; None where they are no longer there."""
    if accepted is None or name not in accepted.lists:
        return None
    path = RunPaths(accepted.run_dir).recommendations(name)
    manifest = read_manifest(path)
    if manifest is None or manifest.id != accepted.lists[name].id:
        logger.warning(
            "gate: churn of the lists of %s is not measured: the accepted ones, %s, were removed "
            "or replaced",
            *(name, path),
        )
        return None
    return _stored(path, manifest)


def _stored(path: str, manifest: Manifest) -> StoredLists:
    return StoredLists(path, manifest.num_rows, manifest.settings["top_n"])
