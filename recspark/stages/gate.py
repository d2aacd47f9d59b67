"""The gate job: stop a run whose data, lists or model got worse, or record it as the accepted run.

It reads manifests and figures, and the rows of lists, without a Spark session.
"""

from __future__ import annotations

import logging
import posixpath
import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timezone

from recspark.config import Config
from recspark.contract.catalog import MODELS, PREDICTIONS, RATINGS, TEST, TRAIN
from recspark.contract.paths import RunPaths
from recspark.datasets.lineage import require_current
from recspark.datasets.lock import RunLock
from recspark.datasets.manifest import read_manifest, require_manifest
from recspark.datasets.prepared import PreparedFacts
from recspark.errors import ConfigError, GateError, describe
from recspark.evaluation.leaderboard import read_figures
from recspark.files import json_files, storage
from recspark.gates.accepted import Accepted, Figures
from recspark.gates.data import find_data_faults
from recspark.gates.judged_lists import JudgedLists
from recspark.gates.lists import describe_lists, find_list_faults, find_list_warnings
from recspark.gates.model import find_model_faults
from recspark.gates.run_lists import find_judged, measure_run
from recspark.ingest.load import LineCounts
from recspark.redact import redact

logger = logging.getLogger(__name__)


def default_pointer(config: Config) -> str:
    """Return the pointer beside the run directory that all runs of this name share."""
    name = re.sub(r"[^\w.-]+", "_", config.name)
    return posixpath.join(posixpath.dirname(config.root.rstrip("/")), f"accepted-{name}.json")


def run(config: Config) -> None:
    """Judge the run; with `gate.check model`, write the pointer to it if it passes.

    Raises:
        GateError: A limit is exceeded; the message names each.
        ConfigError: The model to judge predicts no ratings.
        DataError: What is to be judged is missing, or was made from other data than the run holds.
    """
    pointer = config.gate.accepted or default_pointer(config)
    accepted = _read_accepted(pointer)
    if config.gate.check == "data":
        _judge_data(config, accepted)
    elif config.gate.check == "lists":
        _judge_lists(config, accepted)
    else:
        _judge_model(config, accepted, pointer)


def _judge_data(config: Config, accepted: Accepted | None) -> None:
    figures = _figures(config)
    before = accepted.figures if accepted else None
    _require(config, find_data_faults(figures, before, config.gate), "data like the accepted run's")
    logger.info(
        "gate: data of %s pass (%s ratings, mean %.4f, %.2f%% refused)",
        config.root,
        f"{figures.num_ratings:,}",
        figures.rating_mean,
        100 * figures.reject_fraction,
    )


def _judge_lists(config: Config, accepted: Accepted | None) -> None:
    """Judge the lists, and write what was found to `lists_verdict.json`."""
    paths = RunPaths(config.root)
    train = require_manifest(paths.train, TRAIN)
    manifests = find_judged(config, train)
    before = accepted.lists if accepted else {}
    for name in sorted(before.keys() - manifests.keys()):
        logger.warning("gate: the accepted run has lists of %s, and this one has none", name)
    if not manifests:
        logger.info("gate: %s has no lists to judge", config.root)
        return
    ids = {name: manifest.id for name, manifest in manifests.items()}
    if accepted and accepted.run_dir == redact(config.root) and _ids(accepted.lists) == ids:
        logger.info("gate: the lists of %s are already the accepted ones", config.root)
        return
    lists: dict[str, JudgedLists] = {}
    faults, warnings = [], []
    reads = [paths.recommendations(name) for name in ids]
    with RunLock(config.root, "gate", writes=[paths.lists_verdict], reads=reads):
        for name, found in measure_run(config, manifests, train, accepted):
            logger.info("gate: lists of %s: %s", name, describe_lists(found))
            of = f"lists of {name}: "
            faults += [of + x for x in find_list_faults(found, before.get(name), config.gate)]
            warnings += [of + x for x in find_list_warnings(found, config.gate)]
            lists[name] = found
        verdict = {
            "faults": faults,
            "warnings": warnings,
            "compared_with": accepted.run_dir if accepted else None,
            "lists": {name: asdict(found) for name, found in lists.items()},
        }
        json_files.write_json(paths.lists_verdict, verdict)
    for warning in warnings:
        logger.warning("gate: %s", warning)
    _require(config, faults, "lists that serve users as well as the accepted ones")
    logger.info("gate: lists of %s pass → %s", config.root, paths.lists_verdict)


def _judge_model(config: Config, accepted: Accepted | None, pointer: str) -> None:
    paths = RunPaths(config.root)
    name = config.gate.model or read_figures(paths.leaderboard, paths)[0]["model"]
    metrics = read_figures(paths.metrics(name), paths)
    if "rmse" not in metrics:
        raise ConfigError(
            describe(
                "gate.model",
                found=f"{name}, which ranks movies and predicts no ratings",
                expected="a model of the leaderboard, judged by its RMSE",
                remedy="Name another, or set it to null for the best one.",
            )
        )
    manifest = require_manifest(paths.model(name), MODELS)
    scored = require_manifest(paths.predictions(name), PREDICTIONS)
    test = require_manifest(paths.test, TEST)
    require_current(paths.predictions(name), scored, model=manifest, test=test)
    run_dir = redact(config.root)
    lists, faults = _read_verdict(paths)
    if (
        accepted
        and (accepted.run_dir, accepted.model_id) == (run_dir, manifest.id)
        and _ids(accepted.lists) == _ids(lists)
    ):
        logger.info("gate: %s of %s is already the accepted model", name, run_dir)
        return
    faults += find_model_faults(metrics["rmse"], metrics["protocol"], accepted, config.gate)
    _require(config, faults, "a model no worse than the accepted one")
    if accepted and accepted.is_later_than(config.gate.date):
        logger.info(
            "gate: %s passes, but the accepted run is for a later day, %s", name, accepted.date
        )
        return
    record = Accepted(
        run_dir=run_dir,
        model=name,
        model_id=manifest.id,
        date=config.gate.date,
        rmse=metrics["rmse"],
        protocol=metrics["protocol"],
        figures=_figures(config),
        accepted_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        lists=lists,
    )
    json_files.write_json(pointer, asdict(record))
    logger.info("gate: %s of %s accepted, RMSE %.4f → %s", name, run_dir, record.rmse, pointer)


def _read_verdict(paths: RunPaths) -> tuple[dict[str, JudgedLists], list[str]]:
    """Return the lists that were judged and are still those of the run, and why they were refused.

    A verdict on lists that were made anew since says nothing, like none at all.
    """
    if not storage.exists(paths.lists_verdict):
        return {}, []
    verdict = json_files.read_json(paths.lists_verdict)
    lists = JudgedLists.from_json(verdict["lists"])
    for name, one in lists.items():
        manifest = read_manifest(paths.recommendations(name))
        if manifest is None or manifest.id != one.id:
            logger.warning("gate: the lists of %s were made anew since they were judged", name)
            return {}, []
    return lists, list(verdict["faults"])


def _ids(lists: Mapping[str, JudgedLists]) -> dict[str, str]:
    return {name: one.id for name, one in lists.items()}


def _figures(config: Config) -> Figures:
    paths = RunPaths(config.root)
    ratings = require_manifest(paths.ratings, RATINGS)
    train = require_manifest(paths.train, TRAIN)
    require_current(paths.train, train, ratings=ratings)
    counts = LineCounts.of(ratings.counts)
    return Figures(
        num_lines=counts.lines,
        num_rejects=counts.rejects,
        num_ratings=ratings.num_rows,
        rating_mean=PreparedFacts.of(train).rating_mean,
    )


def _read_accepted(pointer: str) -> Accepted | None:
    if not storage.exists(pointer):
        logger.info("gate: no accepted run yet (%s), so only the absolute limits apply", pointer)
        return None
    return Accepted.from_json(json_files.read_json(pointer), pointer)


def _require(config: Config, faults: list[str], expected: str) -> None:
    if faults:
        raise GateError(
            describe(
                f"gate {config.gate.check} ({config.root})",
                found="; ".join(faults),
                expected=expected,
                remedy="Inspect the run. If it is right, raise the limit named, or delete the "
                "pointer to compare with nothing.",
            )
        )
