"""truth.json: how the data were made, and the irreducible error of any model on them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recspark.cluster.environment import package_versions
from recspark.errors import DataError, describe
from recspark.synthetic import planted
from recspark.synthetic.population import Population
from recspark.synthetic.settings import GenerateConfig

_PARTS = ("ratings", "probe", "qualifying")
_ABOUT_LISTS = {
    "best_ndcg": "mean NDCG at k, on the pairs of probe.txt, of lists that rank all movies outside "
    "the user's train by the true probability of a held-out rating of relevant_rating or more: no "
    "model's lists can expect more",
    "standard_error": "of best_ndcg, as the mean of a sample of num_users users",
    "num_users": "users with a relevant movie in probe.txt, of all users or of a random sample",
}


def build_truth(
    config: GenerateConfig,
    population: Population,
    totals: NDArray[np.float64],
    best_lists: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the content of truth.json.

    Args:
        config: The settings.
        population: The tables that the rows were made from.
        totals: The result of `pieces.sum_rows` for each movie, by id: [num_movies, 3, 8].
        best_lists: From `measure_best`, if taste decides which movies a user rates.

    Raises:
        DataError: The numbers of rows are not those of the settings.
    """
    wanted = (config.num_ratings, config.num_probe, config.num_qualifying)
    parts: dict[str, Any] = {}
    for at, (name, num_rows) in enumerate(zip(_PARTS, wanted, strict=True)):
        # fsum gives the same sums however the movies were partitioned into tasks.
        rows, errors, variances, *counts = (math.fsum(column) for column in totals[:, at].T)
        if int(rows) != num_rows:
            raise DataError(
                describe(
                    f"generated {name}",
                    found=f"{int(rows):,} rows",
                    expected=f"{num_rows:,}",
                    remedy="This is a defect of recspark: please report it.",
                )
            )
        parts[name] = {
            "num_rows": num_rows,
            "rating_counts": {str(rating): int(num) for rating, num in enumerate(counts, 1)},
            "floor_rmse": math.sqrt(variances / rows) if rows else None,
            "planted_rmse": math.sqrt(errors / rows) if rows else None,
        }
    about = {
        "floor_rmse": "root of the mean variance of the rating (1 to 5) given the planted "
        "mean of its user, movie and day: no model can expect less",
        "planted_rmse": "RMSE on these very rows of a prediction of the planted expectation",
    }
    if best_lists is not None:
        about |= _ABOUT_LISTS
        parts["lists"] = best_lists
    return {
        "about": about,
        **parts,
        "num_users": config.num_users,
        "num_movies": config.num_movies,
        "largest_user_id": config.max_user_id,
        "settings": config.content(),
        "planted": {
            "taste_rank": planted.TASTE_RANK,
            "user_effect_std": planted.USER_EFFECT_STD,
            "movie_effect_std": planted.MOVIE_EFFECT_STD,
            "taste_std": planted.TASTE_STD,
            "trend": planted.TREND,
            "drift_std": planted.DRIFT_STD,
            "noise_std": planted.NOISE_STD,
            "cuts": population.planted.cuts,
        },
        "versions": package_versions(),
    }
