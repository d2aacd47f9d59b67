"""Makes the learners that solve for rows, which hold a rank's ratings in memory in both orders."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from recspark.arrays.compiled import Threads
from recspark.arrays.user_buckets import Shard
from recspark.models.bayesian_mf import BayesianMF
from recspark.models.rating_model import RatingModel
from recspark.training.both_orders import group_ratings
from recspark.training.feed import read_ratings
from recspark.training.gibbs import Side
from recspark.training.gibbs_learner import GibbsLearner
from recspark.training.group import Group
from recspark.training.ials_learner import IalsLearner
from recspark.training.job import TrainJob
from recspark.training.list_sample import ListSample
from recspark.training.plan import StepPlan
from recspark.training.read_times import read_times
from recspark.training.row_learner import AlsLearner, RowLearner
from recspark.training.side_data import make_priors
from recspark.training.time_process import TimeProcess
from recspark.training.torch_solver import make_solver
from recspark.training.weigh import weigh


def make_row_learner(
    model: RatingModel, rows: Tensor, job: TrainJob, shard: Shard, group: Group, threads: Threads
) -> RowLearner:
    """Return the learner of a rank.

    Args:
        model: Of an architecture for which `settings.solves_rows`.
        rows: [R, U], the rank's users.
        job: The training run.
        shard: The rank's buckets.
        group: The ranks.
        threads: Those that solve.

    Raises:
        TrainingError: Rows, or times that a model needs, are missing.
    """
    settings, sampler = job.settings, job.settings.sampler
    found = read_ratings(job.train, job.train_rows, shard, torch.device("cpu"), settings)
    is_sampled = isinstance(model, BayesianMF)
    times = np.empty(0, np.int32)
    if is_sampled and (sampler.drift or sampler.time_process):
        times = read_times(job.train, job.train_rows, shard)
    lists = None
    if job.signal is not None:
        lists = ListSample.of(found, shard, job.relevant_rating, group.device)
        found = weigh(found, job.signal)
    group.barrier_without_timeout()  # ranks read unequal parts, and now sum over all
    target = model.spec.target
    users, movies = group_ratings(
        *(found, times, shard, job.facts.num_movies, settings.embedding_size, threads, group),
        shift=target.shift,
        scale=target.scale,
        has_drift=sampler.drift,
        by_time=is_sampled and sampler.time_process,
        is_weighted=job.signal is not None,
    )
    plan = StepPlan(job.train_rows, max(1, sum(job.train_rows.values())), job.seed)
    solver = make_solver(threads, group)
    parts = model, rows, plan, users, movies, solver, settings
    if lists is not None:
        learner = IalsLearner(*parts)
        learner.lists = lists
        return learner
    if not isinstance(model, BayesianMF):
        return AlsLearner(*parts)
    priors = make_priors(users, movies, sampler, job.run, solver, job.seed)
    return GibbsLearner(
        *(model, rows, plan),
        Side("users", users, priors[0], sampler.user_noise),
        Side("movies", movies, priors[1], sampler.movie_noise),
        *(solver, settings, job.seed),
        TimeProcess(users, movies, solver) if sampler.time_process else None,
    )
