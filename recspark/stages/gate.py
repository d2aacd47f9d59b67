"""The gate job: stop a run whose data or model got worse, or record it as the accepted run.

It reads only manifests and metrics: no data, and without a Spark session.
"""

from __future__ import annotations

import logging
import posixpath
import re
from dataclasses import asdict
from datetime import datetime, timezone

from recspark.config import Config
from recspark.contract.catalog import MODELS, PREDICTIONS, RATINGS, TEST, TRAIN
from recspark.contract.paths import RunPaths
from recspark.datasets.lineage import require_current
from recspark.datasets.manifest import require_manifest
from recspark.datasets.prepared import PreparedFacts
from recspark.errors import ConfigError, GateError, describe
from recspark.evaluation.leaderboard import read_figures
from recspark.files import json_files, storage
from recspark.gates.accepted import Accepted, Figures
from recspark.gates.data import find_data_faults
from recspark.gates.model import find_model_faults
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
    if accepted and (accepted.run_dir, accepted.model_id) == (run_dir, manifest.id):
        logger.info("gate: %s of %s is already the accepted model", name, run_dir)
        return
    faults = find_model_faults(metrics["rmse"], metrics["protocol"], accepted, config.gate)
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
    )
    json_files.write_json(pointer, asdict(record))
    logger.info("gate: %s of %s accepted, RMSE %.4f → %s", name, run_dir, record.rmse, pointer)


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
