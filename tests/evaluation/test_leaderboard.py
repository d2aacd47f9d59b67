from __future__ import annotations

from typing import Any

import pytest

from recspark.errors import DataError
from recspark.evaluation.leaderboard import compare_models, find_worse, rank_models, render_table
from recspark.evaluation.protocol import describe_protocol, with_lists


def figures(
    model: str,
    rmse: float,
    protocol: str = "p",
    num_rows: int = 20_000,
    resampled: tuple[float, ...] = (-0.01, 0.0, 0.01),
    seed: int = 42,
) -> dict[str, Any]:
    """Return metrics of a model; `resampled` are its resamples' distances from `rmse`."""
    return {
        "model": model,
        "protocol": protocol,
        "num_rows": num_rows,
        "rmse": rmse,
        "rmse_interval": [rmse - 0.01, rmse + 0.01],
        "mae": rmse * 0.8,
        "coverage": 0.998,
        "num_fallbacks": 1_234,
        "seconds": 3.14,
        "cuts": {},
        "calibration": [],
        "bootstrap": {
            "resamples": len(resampled),
            "seed": seed,
            "rmse": [rmse + step for step in resampled],
        },
    }


def test_models_are_ordered_by_rmse_then_name() -> None:
    ranked = rank_models([figures("b", 0.9), figures("c", 0.8), figures("a", 0.9)])
    assert [one["model"] for one in ranked] == ["c", "a", "b"]


@pytest.mark.parametrize("other", [{"protocol": "q"}, {"num_rows": 19_999}])
def test_figures_of_two_protocols_are_not_ranked(other: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"a under “p” with 20,000 rows and b under .*one protocol"):
        rank_models([figures("a", 0.9), figures("b", 0.8, **other)])
    with pytest.raises(DataError, match="one protocol"):
        compare_models(figures("a", 0.9), figures("b", 0.8, **other))


@pytest.mark.parametrize("other", [{"seed": 1}, {"resampled": (0.0, 0.0)}])
def test_different_resamples_are_not_compared(other: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"a and b: found 3 resamples of seed 42 and .*the same"):
        compare_models(figures("a", 0.9), figures("b", 0.8, **other))


def test_a_row_has_comparisons_with_the_best_and_with_bias() -> None:
    best, tied, reference = rank_models(
        [
            figures("bias", 1.0),
            figures("tied", 0.805, resampled=(0.01, 0.0, -0.01)),
            figures("best", 0.8),
        ]
    )
    assert set(best["versus"]) == {"bias"}
    assert best["versus"]["bias"] == pytest.approx(
        {"difference": -0.2, "low": -0.2, "high": -0.2, "is_tie": False}, abs=1e-12
    )
    # The resamples differ by 0.025, 0.005 and -0.015; 2.5 % lie 5 % of the way between two.
    assert tied["versus"]["best"] == pytest.approx(
        {"difference": 0.005, "low": -0.014, "high": 0.024, "is_tie": True}, abs=1e-12
    )
    assert set(reference["versus"]) == {"best"}
    assert not set(best) & {"cuts", "calibration", "bootstrap"}


def test_the_table_shows_every_figure_and_the_protocol() -> None:
    ranked = rank_models([figures("long_name", 0.93561), figures("bias", 1.2)])
    lines = render_table(ranked).splitlines()
    assert " ".join(lines[0].split()) == (
        "model RMSE 95% interval vs best vs bias MAE coverage fallbacks seconds"
    )
    assert " ".join(lines[2].split()) == (
        "long_name 0.9356 0.9256–0.9456 -0.2644 ±0.0000 0.7485 99.80% 1,234 3.1"
    )
    assert len({len(line) for line in lines[:4]}) == 1
    assert lines[4:] == ["p (20,000 test ratings)"]


def test_the_table_marks_ties() -> None:
    pair = [figures("a", 0.8), figures("b", 0.805, resampled=(0.01, 0.0, -0.01))]
    lines = render_table(rank_models([*pair, figures("c", 1.0)])).splitlines()
    assert [" = " in line for line in lines[2:5]] == [False, True, False]
    assert lines[-1].startswith("= tied with the best")


def test_models_that_use_the_times_of_test_are_ranked_apart() -> None:
    timed = [
        {**figures(name, rmse, protocol="p; times of test known"), "uses_times": True}
        for name, rmse in (("timed_b", 0.7), ("timed_a", 0.6))
    ]
    ranked = rank_models([*timed, figures("plain", 0.8), figures("bias", 1.0)])
    assert [one["model"] for one in ranked] == ["plain", "bias", "timed_a", "timed_b"]
    assert set(ranked[0]["versus"]) == {"bias"}
    assert set(ranked[3]["versus"]) == {"best", "bias"}
    assert ranked[3]["versus"]["best"]["difference"] == pytest.approx(0.1)
    lines = render_table(ranked).splitlines()
    assert [line.split()[0] for line in lines[2:4]] == ["plain", "bias"]
    assert lines[4].startswith("These models are told when each test rating was given")
    assert [line.split()[0] for line in lines[5:7]] == ["timed_a", "timed_b"]
    assert lines[7:] == ["p (20,000 test ratings)", "p; times of test known (20,000 test ratings)"]


def test_models_that_do_not_reach_the_reference_are_named() -> None:
    tied = figures("tied", 1.01, resampled=(0.03, 0.0, -0.03))
    ranked = rank_models([figures("bias", 1.0), figures("good", 0.9), tied, figures("poor", 1.1)])
    assert find_worse(ranked) == ["poor"]
    assert find_worse(rank_models([figures("poor", 1.1)])) == []


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
    "duplicates": "last",
    "held_out": None,
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "ml; split random 0.1; min ratings user 1 movie 2; valid 0.05; seed 42"),
        (
            {"split": "pairs", "pairs": "data/u1.test", "held_out": "d0a1f3b7"},
            "ml; split pairs u1.test (d0a1f3b7); min ratings user 1 movie 2; valid 0.05; seed 42",
        ),
        (
            {"split": "probe", "held_out": "0123abcd", "duplicates": "mean"},
            "ml; split probe (0123abcd); duplicates mean; min ratings user 1 movie 2; valid 0.05; "
            "seed 42",
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


def test_the_protocol_of_lists_names_their_restrictions() -> None:
    plain = {"top_n": 10, "max_per_genre": None, "include_seen": False, "allow_values": {}}
    assert with_lists("p", 4.0, 10, plain) == "p; first 10 of the unrated movies; relevant ≥ 4"
    one = with_lists("p", 3.5, 5, {**plain, "include_seen": True, "max_per_genre": 2})
    assert one == (
        "p; lists restricted by include_seen, max_per_genre; first 5 of the movies; relevant ≥ 3.5"
    )
