"""The priors of users and movies with the side data that the settings ask for."""

from __future__ import annotations

import numpy as np
import torch

from recspark.config.sampler import SamplerConfig
from recspark.contract import columns as c
from recspark.contract.paths import RunPaths
from recspark.training.attributes import encode_attributes, fill_features, read_attributes
from recspark.training.feature_prior import FeaturePrior
from recspark.training.interactions import Pairs, find_interactions
from recspark.training.row_solver import RowSolver
from recspark.training.row_table import Floats, RowTable
from recspark.training.seeds import make_generator
from recspark.training.side_prior import Doubles, Features


def make_priors(
    users: RowTable,
    movies: RowTable,
    settings: SamplerConfig,
    run: str,
    solver: RowSolver,
    seed: int,
) -> tuple[FeaturePrior, FeaturePrior]:
    """Return the priors of the rank's users and of all movies; all ranks call it together.

    Args:
        users: The rank's users.
        movies: All movies.
        settings: The sampler's.
        run: The run directory, which has the attributes.
        solver: The threads and ranks.
        seed: The run's.
    """
    parts: list[list[Floats]] = [[], []]
    groups: list[list[int]] = [[], []]
    if settings.interactions:

        def add(values: Doubles) -> Doubles:
            return solver.group.sum(torch.from_numpy(values)).cpu().numpy()

        pairs = Pairs(users.starts, users.others, len(movies.counts))
        start = make_generator(seed, "interactions").initial_seed()
        found = find_interactions(pairs, settings.interactions, start, solver.threads, add)
        for side, features in enumerate((found.users, found.movies)):
            parts[side].append(features)
            groups[side] += [0] * features.shape[1]
    if settings.attributes:
        paths = RunPaths(run)
        sources = (
            (paths.users, paths.user_index, c.USER_ID),
            (*(paths.movies, paths.movie_index, c.MOVIE_ID),),
        )
        for side, (table, source) in enumerate(zip((users, movies), sources, strict=True)):
            columns = read_attributes(*source)
            entries = list(encode_attributes(columns).values())
            num_rows = len(next(iter(columns.values()))) if columns else 0
            if entries:
                features, owners = fill_features(entries, table.names, num_rows)
                first = max(groups[side], default=-1) + 1
                parts[side].append(features)
                groups[side] += (owners + first).tolist()
    return _prior(users, parts[0], groups[0]), _prior(movies, parts[1], groups[1])


def _prior(table: RowTable, parts: list[Floats], groups: list[int]) -> FeaturePrior:
    none = np.empty((len(table.counts), 0), np.float32)
    values = np.concatenate([none, *parts], axis=1)
    features = Features(values, np.array(groups, np.int64), table.counts > 0)
    return FeaturePrior(features, table.num_columns)
