from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.training.jobs import make_job, train_alone


def test_event_files_hold_the_history(tmp_path: Path) -> None:
    event_accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="extra `tracking`"
    )
    job = train_alone(make_job(tmp_path, tensorboard=True), tmp_path / "m")
    events = event_accumulator.EventAccumulator(job.tensorboard)
    events.Reload()
    lines = (Path(job.folder) / "history.jsonl").read_text().splitlines()
    history = [json.loads(line) for line in lines]
    assert len(history) == 3
    assert set(events.Tags()["scalars"]) == set(history[0]) - {"epoch"}
    for name in events.Tags()["scalars"]:
        told = [(event.step, event.value) for event in events.Scalars(name)]
        expected = [(one["epoch"], pytest.approx(one[name], rel=1e-6)) for one in history]
        assert told == expected, name
