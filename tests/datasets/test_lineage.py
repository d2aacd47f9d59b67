from __future__ import annotations

import pytest

from recspark.datasets.lineage import find_outdated, require_current
from recspark.datasets.prepared import PreparedFacts
from recspark.errors import DataError
from tests.report.samples import manifest
from tests.runs import prepared_counts

TRAIN, MODEL = manifest("prepare", "t2"), manifest("baseline", "m1")


def test_made_from_the_current_inputs() -> None:
    made = manifest("score", "s", inputs={"test": "t2", "model": "m1"})
    assert find_outdated(made, test=TRAIN, model=MODEL) is None
    require_current("run/predictions/x", made, test=TRAIN, model=MODEL)


def test_first_input_that_was_replaced_is_named_with_the_job_to_run() -> None:
    made = manifest("score", "s", inputs={"test": "t1", "model": "m1"})
    assert find_outdated(made, model=MODEL, test=TRAIN) == "test"
    with pytest.raises(DataError) as caught:
        require_current("run/predictions/x", made, model=MODEL, test=TRAIN)
    assert str(caught.value) == (
        "run/predictions/x: found a data set made from an earlier test (t1), expected one made "
        "from the current test (t2). Run jobs/score.py with the same --config again."
    )


def test_a_missing_input_counts_as_outdated() -> None:
    made = manifest("score", "s", inputs={"model": "m1"})
    assert find_outdated(made, model=None) == "model"


def test_facts_come_back_from_the_counts_that_store_them() -> None:
    counts = prepared_counts(num_users=7, rating_values=(0.5, 4.0))
    facts = PreparedFacts.of(manifest("prepare", "p", counts={**counts, "train": 3}))
    assert (facts.num_users, facts.rating_values) == (7, (0.5, 4.0))
    assert facts.to_counts() == counts


def test_facts_that_another_version_did_not_record_are_named() -> None:
    counts = prepared_counts()
    del counts["rating_std"]
    with pytest.raises(DataError, match=r"found no rating_std.*jobs/prepare\.py with --force"):
        PreparedFacts.of(manifest("prepare", "p", counts=counts))
