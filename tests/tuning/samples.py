"""Trials written by hand."""

from __future__ import annotations

from recspark.config.tune import SearchRange
from recspark.tuning.trials import Trial

SPACE = {
    "train.reg": SearchRange(low=0.01, high=1.0, log=True),
    "train.layers": SearchRange(choices=(("dense 8", "relu"), ())),
}


def trial(number: int, rmse: float | None, state: str = "finished", reg: float = 0.1) -> Trial:
    return Trial(
        number=number,
        settings={"train.reg": reg, "train.layers": ["dense 8", "relu"]},
        seconds=1.25,
        state=state,  # type: ignore[arg-type]
        rmse=rmse,
        curve=[] if rmse is None else [rmse + 0.1, rmse],
        error="" if state != "failed" else "a loss of <b>inf</b>",
    )


TRIALS = [
    trial(0, 0.95),
    trial(1, None, "failed", reg=0.9),
    trial(2, 0.91, reg=0.0345),
    trial(3, 0.90, "pruned", reg=0.02),
    trial(4, 0.93, reg=0.5),
]
