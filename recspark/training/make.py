"""Makes a rank's learner from its job: reads the data, builds the model, picks the learner."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import torch

from recspark.arrays.compiled import Threads
from recspark.arrays.user_buckets import Shard
from recspark.errors import ConfigError, describe
from recspark.models.autorec import AutoRec
from recspark.models.batch_norm import BatchNorm
from recspark.models.mult_vae import MultVAE
from recspark.models.registry import find_architecture
from recspark.models.spec import ModelSpec
from recspark.models.target import Target
from recspark.training.factor_learner import FactorLearner, can_learn
from recspark.training.feed import open_batches, read_ratings
from recspark.training.group import Group
from recspark.training.job import TrainJob
from recspark.training.learner import Learner
from recspark.training.list_sample import ListSample
from recspark.training.make_rows import make_row_learner
from recspark.training.plan import StepPlan
from recspark.training.precision import set_precision
from recspark.training.rating_learner import RatingLearner
from recspark.training.seeds import make_generator
from recspark.training.user_learner import UserLearner
from recspark.training.user_ratings import UserRatings
from recspark.training.user_table import init_user_rows
from recspark.training.vae_learner import VaeLearner
from recspark.training.weigh import weigh

# With more distinct ratings than this, one class per rating makes no sense.
MAX_CLASSES = 100


@contextlib.contextmanager
def make_learner(job: TrainJob, shard: Shard, group: Group) -> Iterator[Learner]:
    """Yield the learner of this rank, and close its feed at the end.

    Args:
        job: The training run.
        shard: The rank's buckets.
        group: The ranks.

    Raises:
        ConfigError: The target is one_of_k, and train has too few or too many distinct ratings.
        TrainingError: Rows are missing.
    """
    settings = job.settings
    architecture = find_architecture(settings.architecture)
    spec = ModelSpec.from_settings(
        settings, num_movies=job.facts.num_movies, target=_make_target(job)
    )
    model = architecture.build(spec, make_generator(job.seed, "model")).to(group.device)
    if group.num_ranks > 1:
        for norm in model.modules():
            if isinstance(norm, BatchNorm):
                norm.group = group.steps
    set_precision(settings, group.device)
    if isinstance(model, AutoRec):
        yield _make_user_learner(model, job, shard, group)
        return
    rows = init_user_rows(model, shard, job.seed).to(group.device)
    threads = Threads(torch.get_num_threads())
    if settings.solves_rows:
        with contextlib.closing(threads):
            yield make_row_learner(model, rows, job, shard, group, threads)
        return
    plan = StepPlan(job.train_rows, settings.batch_size, job.seed, settings.min_steps)
    feed = open_batches(job.train, job.train_rows, shard, plan, group.device, settings, threads)
    make = FactorLearner if can_learn(model, settings, group.device) else RatingLearner
    with contextlib.closing(feed), contextlib.closing(threads):
        yield make(model, rows, plan, feed, settings, group, threads)


def _make_user_learner(model: AutoRec, job: TrainJob, shard: Shard, group: Group) -> Learner:
    """Return a learner whose ratings are always in memory, as it needs all of a user at once."""
    settings = job.settings
    ratings = read_ratings(job.train, job.train_rows, shard, group.device, settings)
    users = {bucket: shard.bucket_users(bucket) for bucket in range(shard.num_buckets)}
    plan = StepPlan(users, settings.batch_size, job.seed, settings.min_steps)
    lists = None
    if job.signal is not None:
        lists = ListSample.of(ratings, shard, job.relevant_rating, group.device)
        ratings = weigh(ratings, job.signal)
    grouped = UserRatings.of(ratings, shard.num_rows, job.facts.num_movies, job.facts.rating_mean)
    counted = sum(job.train_rows.values()), shard, settings, group
    if not isinstance(model, MultVAE):
        return UserLearner(model, plan, grouped, *counted)
    grouped = replace(grouped, means=torch.zeros_like(grouped.means))
    learner = VaeLearner(model, plan, grouped, *counted)
    learner.lists = lists
    return learner


def _make_target(job: TrainJob) -> Target:
    kind, values = job.settings.target, job.facts.rating_values
    if kind == "one_of_k" and not 2 <= len(values) <= MAX_CLASSES:
        raise ConfigError(
            describe(
                "train.target one_of_k",
                found=f"{len(values)} distinct ratings in train",
                expected=f"2 to {MAX_CLASSES}, one class for each",
                remedy="Use train.target standardized for ratings that are not on a fixed scale.",
            )
        )
    return Target(
        kind=kind,
        mean=job.facts.rating_mean,
        std=job.facts.rating_std or 1.0,
        values=values if kind == "one_of_k" else (),
    )
