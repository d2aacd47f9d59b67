from __future__ import annotations

from typing import Any

import pytest

from recspark.errors import DataError
from recspark.evaluation.leaderboard import rank_models, render_table
from recspark.evaluation.protocol import describe_protocol


def figures(model: str, rmse: float, protocol: str = "p", num_rows: int = 20_000) -> dict[str, Any]:
    return {
        "model": model,
        "protocol": protocol,
        "num_rows": num_rows,
        "rmse": rmse,
        "mae": rmse * 0.8,
        "coverage": 0.998,
        "num_fallbacks": 1_234,
        "seconds": 3.14,
    }


def test_best_first_and_equal_ones_by_name() -> None:
    ranked = rank_models([figures("b", 0.9), figures("c", 0.8), figures("a", 0.9)])
    assert [one["model"] for one in ranked] == ["c", "a", "b"]


@pytest.mark.parametrize("other", [{"protocol": "q"}, {"num_rows": 19_999}])
def test_figures_of_two_protocols_are_not_ranked(other: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"a under “p” with 20,000 rows and b under .*one protocol"):
        rank_models([figures("a", 0.9), figures("b", 0.8, **other)])


def test_the_table_shows_every_figure_and_the_protocol() -> None:
    lines = render_table([figures("long_name", 0.93561), figures("a", 1.2)]).splitlines()
    assert lines[0].split() == ["model", "RMSE", "MAE", "coverage", "fallbacks", "seconds"]
    assert lines[2].split() == ["long_name", "0.9356", "0.7485", "99.80%", "1,234", "3.1"]
    assert len({len(line) for line in lines[:4]}) == 1
    assert lines[4] == "p (20,000 test ratings)"


PREPARE = {
    "min_ratings_per_user": 1,
    "min_ratings_per_movie": 2,
    "filter": "once",
    "user_fraction": 1.0,
    "split": "random",
    "test_fraction": 0.1,
    "pairs": None,
    "cut_date": None,
    "num_last": 3,
    "valid_fraction": 0.05,
    "num_buckets": 8,
    "seed": 42,
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "ml; split random 0.1; min ratings user 1 movie 2; valid 0.05; seed 42"),
        (
            {"split": "pairs", "pairs": "data/u1.test"},
            "ml; split pairs u1.test; min ratings user 1 movie 2; valid 0.05; seed 42",
        ),
        (
            {"split": "last", "filter": "k_core"},
            "ml; split last 3; min ratings user 1 movie 2 k-core; valid 0.05; seed 42",
        ),
        (
            {"split": "time", "cut_date": "2005-01-01", "user_fraction": 0.1},
            "ml; users 0.1; split time from 2005-01-01; min ratings user 1 movie 2; valid 0.05; "
            "seed 42",
        ),
    ],
)
def test_a_protocol_names_what_changes_a_figure(changes: dict[str, Any], expected: str) -> None:
    assert describe_protocol("ml", {**PREPARE, **changes}) == expected
