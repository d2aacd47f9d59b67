"""The tune job: train and valid → the best settings of a model that a search found, and its page.

It never opens test, whose ratings are for the last judgement alone.
"""

from __future__ import annotations

import json
import logging
import os
import posixpath
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from recspark.cluster.ranks import WANTED
from recspark.config import Config
from recspark.config.load import override
from recspark.contract.catalog import TRAIN, VALID
from recspark.contract.paths import BEST, PAGE, TRIALS, RunPaths
from recspark.datasets.manifest import Manifest, require_manifest
from recspark.datasets.prepared import PreparedFacts
from recspark.datasets.staging import staging_path
from recspark.datasets.step import Step
from recspark.datasets.train_buckets import locate_train
from recspark.errors import DataError, TrainingError, describe
from recspark.files import storage
from recspark.scoring.load import SavedModel
from recspark.stages import baseline
from recspark.stages import train as train_stage
from recspark.tuning.measure_lists import measure_lists
from recspark.tuning.measure_saved import measure_saved
from recspark.tuning.results import (
    describe_trial,
    name_next_command,
    nest,
    render_trials,
    write_yaml,
)
from recspark.tuning.space import Space, choose_space, own_settings, start_inside
from recspark.tuning.study import Evaluate, Report, Search, run_trials
from recspark.tuning.trials import (
    MISSED,
    RMSE,
    Outcome,
    Trial,
    find_best,
    read_trials,
    write_trials,
)
from recspark.tuning.workers import Workers, lone_rank

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

logger = logging.getLogger(__name__)


def run(config: Config, model_name: str, spark: SparkSession, words: Sequence[str] = ()) -> None:
    """Search a model's settings, write `tune/<model_name>`, and print the best trials.

    A search that was killed, or that now gets more trials, continues from the trials that are done.

    Args:
        config: The model's resolved config; `tune` says what is searched.
        model_name: Name of the preset.
        spark: The session that fits the models of Spark.
        words: The settings as on the command line, for the command that is printed at the end.

    Raises:
        ConfigError: A setting or range is refused.
        DataError: train or valid is missing, or valid is empty.
        TrainingError: No trial finished.
    """
    paths = RunPaths(config.root)
    train, valid = require_manifest(paths.train, TRAIN), require_manifest(paths.valid, VALID)
    _require_rows(paths.valid, valid)
    space = choose_space(config)
    output, study = paths.tune(model_name), paths.study(model_name)
    figure = MISSED if config.ranks_only else RMSE
    settings = _describe(config, space)
    inputs = {"train": train.id, "valid": valid.id}
    belongs_to = json.loads(json.dumps({**settings, **inputs}))
    step = Step(
        stage="tune",
        settings={**settings, "trials": config.tune.trials, "seconds": config.tune.seconds},
        inputs=inputs,
        outputs=(output,),
        force=config.force,
        root=paths.root,
        reads=[paths.train, paths.valid, paths.user_index, paths.movie_index],
        scratch=[study],
    )
    if not step.is_done():
        with step:
            done = [] if config.force else _find_earlier(study, output, belongs_to)
            if done:
                logger.info("tune: %s continues after %s trials", model_name, len(done))

            def note(trials: list[Trial]) -> None:
                write_trials(study, trials, belongs_to)
                logger.info("%s", describe_trial(model_name, trials[-1], find_best(trials), figure))

            trials = _search(config, model_name, spark, space, done, note)
            _publish(step, model_name, space, trials, belongs_to, figure)
            storage.remove(study)
    trials = read_trials(posixpath.join(output, TRIALS), belongs_to)
    print(render_trials(trials, figure))
    job = "baseline" if config.baseline.algorithm else "train"
    best = posixpath.join(output, BEST)
    logger.info("tune: the page is %s", posixpath.join(output, PAGE))
    logger.info("tune: next: %s", name_next_command(words, job, model_name, space, best))


def _require_rows(path: str, valid: Manifest) -> None:
    if valid.num_rows == 0:
        raise DataError(
            describe(
                path,
                found="no ratings",
                expected="at least one to judge trials by",
                remedy="Run jobs/prepare.py with prepare.valid_fraction above 0.",
            )
        )


def _describe(config: Config, space: Space) -> dict[str, Any]:
    """Return what decides the trials of a search, except how many there are."""
    return {
        "algorithm": config.baseline.algorithm or config.train.architecture,
        "model": own_settings(config),
        "space": nest(space),
        "prune": config.tune.prune,
        "seed": config.seed,
        **(_describe_signal(config) if config.ranks_only else {}),
    }


def _describe_signal(config: Config) -> dict[str, Any]:
    relevant = config.evaluate.relevant_rating
    return {"signal": asdict(config.signal), "relevant_rating": relevant}


def _find_earlier(study: str, output: str, belongs_to: Mapping[str, Any]) -> list[Trial]:
    """Return the trials of the same search: those of a killed run, else those of the last one."""
    for path in (study, posixpath.join(output, TRIALS)):
        found = read_trials(path, belongs_to)
        if found:
            return found
    return []


def _search(
    config: Config,
    model_name: str,
    spark: SparkSession,
    space: Space,
    done: Sequence[Trial],
    note: Callable[[list[Trial]], None],
) -> list[Trial]:
    """Carry out the trials that are left, and return all."""
    search = Search(
        space,
        start_inside(space, own_settings(config)),
        seed=config.seed,
        prune=config.tune.prune,
        max_epochs=config.train.epochs,
    )
    left = max(0, config.tune.trials - len(done))

    def carry_out(evaluate: Evaluate, give_up: Callable[[], None], jobs: int) -> list[Trial]:
        return run_trials(
            search,
            evaluate,
            done,
            note,
            give_up,
            num_trials=config.tune.trials,
            seconds=config.tune.seconds,
            num_threads=jobs,
        )

    if config.baseline.algorithm or left == 0:
        return carry_out(_evaluate_baseline(config, model_name, spark), lambda: None, 1)
    cores = len(os.sched_getaffinity(0))
    jobs = min(config.tune.jobs or cores, left)
    workers = Workers(jobs, WANTED)
    try:
        evaluate = _evaluate_trained(config, model_name, workers, max(1, cores // jobs))
        return carry_out(evaluate, workers.close, jobs)
    finally:
        workers.close()


def _evaluate_trained(
    config: Config, model_name: str, workers: Workers, num_cores: int
) -> Evaluate:
    paths = RunPaths(config.root)
    train, valid = require_manifest(paths.train, TRAIN), require_manifest(paths.valid, VALID)

    def evaluate(settings: Mapping[str, Any], report: Report) -> Outcome:
        one = override(config, settings)
        job = train_stage.make_job(one, model_name, "", train, valid)
        return workers.run(lone_rank(job, num_cores), report)

    return evaluate


def _evaluate_baseline(config: Config, model_name: str, spark: SparkSession) -> Evaluate:
    paths = RunPaths(config.root)
    train, valid = require_manifest(paths.train, TRAIN), require_manifest(paths.valid, VALID)
    buckets = sorted(bucket for bucket, rows in valid.bucket_rows.items() if rows)
    facts = PreparedFacts.of(train)
    # A ranker that knew valid would be judged by what it knows.
    fixed = {"baseline.refit": False} if config.ranks_only else {}

    def measure(saved: SavedModel) -> float:
        if not config.ranks_only:
            return measure_saved(spark, saved, paths.valid, buckets)
        relevant = facts.find_relevant(config.evaluate.relevant_rating)
        return measure_lists(spark, saved, paths.valid, buckets, facts, relevant)

    def evaluate(settings: Mapping[str, Any], report: Report) -> Outcome:
        # Beside the output, where the next run removes what a killed one left.
        folder = f"{staging_path(paths.tune(model_name))}-trial"
        try:
            baseline.fit(override(config, {**settings, **fixed}), train, folder, spark)
            saved = SavedModel(
                folder, uuid.uuid4().hex, facts.num_buckets, locate_train(paths.train, train)
            )
            return Outcome("finished", measure(saved))
        finally:
            storage.remove(folder)

    return evaluate


def _publish(
    step: Step,
    model_name: str,
    space: Space,
    trials: Sequence[Trial],
    belongs_to: Mapping[str, Any],
    figure: str,
) -> None:
    from recspark.tuning.page import render_page

    best = find_best(trials)
    if best is None:
        raise TrainingError(
            describe(
                f"tune {model_name}",
                found=f"{len(trials)} trials, none of which finished",
                expected="at least one",
                remedy=f"The last one said: {trials[-1].error or 'nothing'}",
            )
        )
    [output] = step.outputs
    folder = step.staging(output)
    write_trials(posixpath.join(folder, TRIALS), trials, belongs_to)
    text = write_yaml(model_name, best, len(trials), figure)
    storage.write_bytes(posixpath.join(folder, BEST), text.encode())
    page = render_page(model_name, space, trials, figure)
    storage.write_bytes(posixpath.join(folder, PAGE), page.encode())
    counts = {"trials": len(trials), "best_trial": best.number, "figure": figure}
    counts["valid_rmse" if figure == RMSE else "valid_missed"] = best.rmse
    step.publish(output, None, counts)
