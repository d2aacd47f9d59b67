"""The gate of lists on figures written by hand."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from typing import Any

import pytest

from recspark.config import GateConfig
from recspark.errors import ConfigError
from recspark.gates.judged_lists import JudgedLists, ListCounts, Quality
from recspark.gates.lists import (
    describe_lists,
    find_list_faults,
    find_list_warnings,
    subtract,
)

QUALITY = Quality(
    protocol="ml; first 10",
    k=10,
    ndcg=0.5,
    low=0.47,
    high=0.54,
    over_popularity=(0.25, 0.2, 0.3),
)
LISTS = JudgedLists(
    id="l1",
    num_asked=1000,
    counts=ListCounts(num_rows=9000, num_lists=900, num_shared=800, churn=0.25),
    quality=QUALITY,
)
LIMITS = GateConfig(min_served=0.9, max_vanished=0.01, max_churn=0.25, max_ndcg_fall=0.05)


def with_counts(**changes: Any) -> JudgedLists:
    return replace(LISTS, counts=replace(LISTS.counts, **changes))


def with_quality(**changes: Any) -> JudgedLists:
    return replace(LISTS, quality=replace(QUALITY, **changes))


def test_lists_at_the_limits_pass() -> None:
    found = with_counts(num_vanished=90, vanished=("7",))
    assert find_list_faults(found, LISTS, LIMITS) == []
    assert find_list_warnings(found, LIMITS) == []


def test_first_lists_have_no_churn_and_pass() -> None:
    first = with_counts(num_shared=None, churn=None)
    assert find_list_faults(first, None, LIMITS) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"num_lists": 899}, "899 of 1,000 users served (89.9%; gate.min_served 90.0%)"),
        ({"num_repeats": 1}, "repeats of a movie or a rank within a list: 1, expected 0"),
        ({"num_unknown": 2}, "rows with ids that the run does not have: 2, expected 0"),
        (
            {"num_vanished": 91, "vanished": ("7", "x")},
            "91 of 9,000 rows list movies that the titles file does not have, such as 7, x (1.01%; "
            "gate.max_vanished 1.00%)",
        ),
        ({"churn": 0.26}, "26.0% of a list changed since the accepted run, on average over 800"),
        ({"num_shared": 0, "churn": None}, "no user with a list in the accepted run has one"),
    ],
)
def test_each_limit_on_rows_is_named(change: dict[str, Any], said: str) -> None:
    (fault,) = find_list_faults(with_counts(**change), LISTS, LIMITS)
    assert said in fault


def test_the_default_limit_of_churn_tells_honest_nights_from_others() -> None:
    """The figures are those of docs/airflow.md: 3 % new ratings, and half of the ratings new."""
    for churn in (0.035, 0.083, 0.14):
        assert find_list_faults(with_counts(churn=churn), LISTS, GateConfig()) == []
    for churn in (0.63, 0.73):
        (fault,) = find_list_faults(with_counts(churn=churn), LISTS, GateConfig())
        assert "(gate.max_churn 30.0%)" in fault


def test_worse_than_popularity_fails_or_warns_by_setting() -> None:
    worse = with_quality(over_popularity=(-0.11, -0.2, -0.01))
    (fault,) = find_list_faults(worse, None, LIMITS)
    assert "NDCG@10 0.5000 is worse than popularity's by 0.1100 (0.0100 to 0.2000" in fault
    assert find_list_warnings(worse, LIMITS) == []
    warns = replace(LIMITS, worse_than_popularity="warn")
    assert find_list_faults(worse, None, warns) == []
    assert find_list_warnings(worse, warns) == [fault.replace("popularity fail", "popularity warn")]
    # Neither within the interval, nor for popularity itself.
    for over in ((-0.11, -0.2, 0.0), None):
        one = with_quality(over_popularity=over)
        assert find_list_faults(one, None, LIMITS) == find_list_warnings(one, warns) == []


def test_difference_of_independent_figures() -> None:
    # Arms of 3 and 4 below, 4 and 3 above (hundredths): hypotenuses of 5.
    before = replace(QUALITY, ndcg=0.6, low=0.57, high=0.64)
    assert subtract(QUALITY, before) == pytest.approx((-0.1, -0.15, -0.05))
    # 3 below and 12 above, against 5 below and 4 above.
    skewed = replace(QUALITY, low=0.47, high=0.62)
    other = replace(QUALITY, ndcg=0.6, low=0.55, high=0.64)
    assert subtract(skewed, other) == pytest.approx((-0.1, -0.15, 0.03))


def test_quality_may_fall_by_the_limit_beyond_its_interval() -> None:
    # The interval ends 0.05 below: at the limit.
    before = with_quality(ndcg=0.6, low=0.57, high=0.64)
    limits = replace(LIMITS, max_ndcg_fall=0.0501)
    assert find_list_faults(LISTS, before, limits) == []
    (fault,) = find_list_faults(LISTS, before, replace(LIMITS, max_ndcg_fall=0.0499))
    assert (
        "NDCG@10 0.5000 where the accepted run had 0.6000, worse by 0.1000 (0.0500 to 0.1500; "
        "gate.max_ndcg_fall 0.0499)"
    ) in fault
    assert find_list_faults(with_quality(ndcg=math.nan), LISTS, LIMITS)


def test_figures_of_another_protocol_are_not_compared() -> None:
    (fault,) = find_list_faults(with_quality(protocol="ml; first 5"), LISTS, LIMITS)
    assert "“ml; first 5”, which is not comparable" in fault


def test_quality_that_is_not_measured_is_told_and_refused_where_it_was_before() -> None:
    unmeasured = replace(LISTS, quality=None, unmeasured="no ratings")
    assert find_list_faults(unmeasured, None, LIMITS) == []
    assert find_list_faults(LISTS, unmeasured, LIMITS) == []
    assert find_list_warnings(unmeasured, LIMITS) == ["quality is not measured: no ratings"]
    (fault,) = find_list_faults(unmeasured, LISTS, LIMITS)
    assert "not measured (no ratings), where the accepted run had NDCG@10 0.5000" in fault


def test_all_faults_are_named_at_once() -> None:
    counts = replace(LISTS.counts, num_lists=1, num_repeats=1, num_unknown=1, churn=1.0)
    found = replace(with_quality(ndcg=0.1, low=0.1, high=0.1), counts=counts)
    assert len(find_list_faults(found, LISTS, LIMITS)) == 5


def test_line_of_figures() -> None:
    assert describe_lists(LISTS) == (
        "900 of 1,000 users served, 9,000 rows, 0 without a title, churn 25.0% over 800 users, "
        "NDCG@10 0.5000, +0.2500 over popularity"
    )
    bare = replace(LISTS, quality=None, counts=ListCounts(num_rows=9, num_lists=3))
    assert describe_lists(bare) == "3 of 1,000 users served, 9 rows, 0 without a title"


def test_record_survives_json() -> None:
    lists = {
        "ease": with_counts(vanished=("7", "b")),
        "popularity": with_quality(over_popularity=None),
        "als": replace(LISTS, quality=None, unmeasured="why"),
    }
    stored = json.loads(json.dumps({name: asdict(one) for name, one in lists.items()}))
    assert JudgedLists.from_json(stored) == lists


@pytest.mark.parametrize(
    "settings",
    [
        {"min_served": 1.1},
        {"max_vanished": -0.1},
        {"max_churn": 1.5},
        {"max_ndcg_fall": -0.01},
        {"lists": ("../x",)},
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"gate.{next(iter(settings))}"):
        GateConfig(**settings)
