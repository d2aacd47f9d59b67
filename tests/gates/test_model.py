"""The model gate and the record of the accepted run."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace

import pytest

from recspark.config import GateConfig
from recspark.errors import ConfigError, DataError
from recspark.gates.accepted import Accepted, Figures
from recspark.gates.model import find_model_faults

ACCEPTED = Accepted(
    run_dir="/runs/2026-11-01",
    model="biased_mf",
    model_id="a1",
    date="2026-11-01",
    rmse=0.75,
    protocol="ml; split random 0.1",
    figures=Figures(num_lines=10, num_rejects=0, num_ratings=10, rating_mean=3.0),
    accepted_at="2026-11-02T03:00:00+00:00",
)
LIMITS = GateConfig(max_rmse_rise=0.125)


@pytest.mark.parametrize("rmse", [0.1, 0.75, 0.875])
def test_better_or_within_the_margin_passes(rmse: float) -> None:
    assert find_model_faults(rmse, ACCEPTED.protocol, ACCEPTED, LIMITS) == []


def test_worse_by_more_than_the_margin_is_refused() -> None:
    (fault,) = find_model_faults(0.8751, ACCEPTED.protocol, ACCEPTED, LIMITS)
    assert "RMSE 0.8751 where the accepted biased_mf has 0.7500" in fault


def test_different_protocols_are_not_comparable() -> None:
    (fault,) = find_model_faults(0.1, "ml; split random 0.2", ACCEPTED, LIMITS)
    assert "is not comparable with" in fault


def test_first_model_passes_unless_it_has_no_rmse() -> None:
    assert find_model_faults(2.0, "any", None, LIMITS) == []
    assert find_model_faults(math.nan, "any", None, LIMITS)
    assert find_model_faults(math.inf, "any", None, LIMITS)
    assert find_model_faults(math.inf, ACCEPTED.protocol, ACCEPTED, LIMITS)


def test_record_survives_json() -> None:
    stored = json.loads(json.dumps(asdict(ACCEPTED)))
    assert Accepted.from_json(stored, "accepted.json") == ACCEPTED


@pytest.mark.parametrize("value", [{}, {"model": "x"}, {"figures": {"rating_mean": 1}}])
def test_damaged_record_is_refused(value: dict[str, object]) -> None:
    with pytest.raises(DataError, match=r"accepted\.json: found no record .* Delete it"):
        Accepted.from_json(value, "accepted.json")


def test_days_decide_what_is_later() -> None:
    assert ACCEPTED.is_later_than("2026-10-31")
    assert not ACCEPTED.is_later_than("2026-11-01")
    assert not ACCEPTED.is_later_than("2026-11-02")
    assert not ACCEPTED.is_later_than(None)
    assert not replace(ACCEPTED, date=None).is_later_than("2026-10-31")


@pytest.mark.parametrize(
    "settings",
    [
        {"max_reject_fraction": 1.5},
        {"max_fewer_ratings": -0.1},
        {"max_mean_drift": -1.0},
        {"max_rmse_rise": -0.1},
        {"min_ratings": -1},
        {"date": "yesterday"},
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=f"gate.{next(iter(settings))}"):
        GateConfig(**settings)  # type: ignore[arg-type]
