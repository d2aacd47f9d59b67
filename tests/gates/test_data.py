"""The data gate on figures written by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from recspark.config import GateConfig
from recspark.gates.accepted import Figures
from recspark.gates.data import find_data_faults

BEFORE = Figures(num_lines=1000, num_rejects=5, num_ratings=990, rating_mean=3.60)
LIMITS = GateConfig(
    max_reject_fraction=0.01, min_ratings=100, max_fewer_ratings=0.1, max_mean_drift=0.05
)


def test_the_same_figures_pass() -> None:
    assert find_data_faults(BEFORE, BEFORE, LIMITS) == []


def test_limits_are_inclusive() -> None:
    # 10 of 1000 lines, 891 = 0.9 × 990 ratings. (3.625 − 3.5 is exact in binary.)
    found = Figures(num_lines=1000, num_rejects=10, num_ratings=891, rating_mean=3.625)
    limits = replace(LIMITS, min_ratings=891, max_mean_drift=0.125)
    assert find_data_faults(found, replace(BEFORE, rating_mean=3.5), limits) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"num_rejects": 11}, "11 of 1,000 lines refused (1.10%; gate.max_reject_fraction"),
        ({"num_ratings": 99}, "99 ratings (gate.min_ratings 100)"),
        ({"num_ratings": 890}, "890 ratings where the accepted run had 990 (10.1% fewer"),
        ({"rating_mean": 3.66}, "mean rating 3.6600 where the accepted run had 3.6000"),
        ({"rating_mean": 3.54}, "mean rating 3.5400 where the accepted run had 3.6000"),
        ({"rating_mean": math.nan}, "mean rating nan"),
    ],
)
def test_each_limit_is_named(change: dict[str, float], said: str) -> None:
    faults = find_data_faults(replace(BEFORE, **change), BEFORE, LIMITS)
    assert any(said in fault for fault in faults), faults


def test_all_faults_are_named_at_once() -> None:
    found = Figures(num_lines=100, num_rejects=50, num_ratings=50, rating_mean=1.0)
    assert len(find_data_faults(found, BEFORE, LIMITS)) == 4


def test_first_run_is_checked_against_absolute_limits_only() -> None:
    found = Figures(num_lines=1000, num_rejects=20, num_ratings=980, rating_mean=1.0)
    assert len(find_data_faults(found, None, LIMITS)) == 1


def test_more_ratings_than_before_pass() -> None:
    assert find_data_faults(replace(BEFORE, num_ratings=10**9), BEFORE, LIMITS) == []
