"""The search on curves with a known best setting, carried out in this process."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from recspark.config.tune import SearchRange
from recspark.tuning.study import Evaluate, Report, Search, run_trials
from recspark.tuning.trials import Outcome, Trial, find_best

SPACE = {
    "train.reg": SearchRange(low=1e-3, high=10.0, log=True),
    "train.embedding_size": SearchRange(low=2, high=64),
    "train.optimizer": SearchRange(choices=("adam", "sgd")),
}
FIRST = {"train.reg": 5.0, "train.embedding_size": 60, "train.optimizer": "sgd"}
EPOCHS = 6


def rmse_of(settings: Mapping[str, Any]) -> float:
    """Return an RMSE whose lowest value is 0.9, at reg 0.1, 20 factors and adam."""
    away = math.log10(settings["train.reg"]) + 1
    size = (settings["train.embedding_size"] - 20) / 64
    return 0.9 + 0.1 * away**2 + 0.1 * size**2 + 0.05 * (settings["train.optimizer"] == "sgd")


def learn(settings: Mapping[str, Any], report: Report) -> Outcome:
    """Fall to `rmse_of` within EPOCHS epochs."""
    curve: list[float] = []
    for epoch in range(EPOCHS):
        curve.append(rmse_of(settings) + 0.5 / (epoch + 1))
        if report(epoch, curve[-1]):
            return Outcome("pruned", min(curve), curve)
    return Outcome("finished", min(curve), curve)


def search(
    evaluate: Evaluate = learn,
    done: list[Trial] | None = None,
    on_trial: Callable[[list[Trial]], None] = lambda _: None,
    give_up: Callable[[], None] = lambda: None,
    *,
    prune: bool = True,
    seed: int = 1,
    **options: Any,
) -> list[Trial]:
    plan: dict[str, Any] = {"num_trials": 40, "seconds": None, "num_threads": 1, **options}
    one = Search(SPACE, FIRST, seed=seed, prune=prune, max_epochs=EPOCHS)
    return run_trials(one, evaluate, done or [], on_trial, give_up, **plan)


def without_seconds(trials: list[Trial]) -> list[dict[str, Any]]:
    return [{**vars(trial), "seconds": 0.0} for trial in trials]


def test_it_finds_the_planted_settings() -> None:
    best = find_best(search())
    assert best is not None
    assert rmse_of(best.settings) < 0.91
    assert best.settings["train.optimizer"] == "adam"
    assert 0.03 < best.settings["train.reg"] < 0.3


def test_the_first_trial_is_the_given_one_and_all_lie_in_the_space() -> None:
    trials = search(num_trials=15)
    assert trials[0].settings == FIRST
    assert [trial.number for trial in trials] == list(range(15))
    for trial in trials:
        assert 1e-3 <= trial.settings["train.reg"] <= 10
        assert isinstance(trial.settings["train.embedding_size"], int)
        assert trial.settings["train.optimizer"] in ("adam", "sgd")


def test_one_seed_gives_one_search() -> None:
    assert without_seconds(search()) == without_seconds(search())
    assert without_seconds(search(seed=2)) != without_seconds(search())


def test_a_search_that_was_cut_short_continues_as_if_it_had_not_been() -> None:
    kept: list[Trial] = []

    def cut_short(settings: Mapping[str, Any], report: Report) -> Outcome:
        if len(kept) == 17:
            raise KeyboardInterrupt
        return learn(settings, report)

    def keep(trials: list[Trial]) -> None:
        kept[:] = trials

    whole = search()
    assert {trial.state for trial in whole} == {"finished", "pruned"}
    with pytest.raises(KeyboardInterrupt):
        search(cut_short, on_trial=keep)
    assert len(kept) == 17
    assert without_seconds(search(done=kept)) == without_seconds(whole)


def test_bad_trials_are_stopped_early_and_good_ones_are_not() -> None:
    trials = search()
    finished = [one for one in trials if one.state == "finished"]
    pruned = [one for one in trials if one.state == "pruned"]
    assert len(pruned) >= 5
    assert all(len(one.curve) < EPOCHS for one in pruned)
    assert all(len(one.curve) == EPOCHS for one in finished)
    # The first five set the median; later ones that end are better than it, so than the middle.
    later = [one for one in finished if one.number >= 5]
    middle = sorted(rmse_of(one.settings) for one in finished)[len(finished) // 2]
    assert min(rmse_of(one.settings) for one in pruned) > min(
        rmse_of(one.settings) for one in later
    )
    assert sum(rmse_of(one.settings) <= middle for one in pruned) <= len(pruned) // 3
    assert {one.state for one in search(prune=False)} == {"finished"}


def test_a_failed_trial_is_never_the_best_and_the_search_goes_on() -> None:
    def fail_near_the_best(settings: Mapping[str, Any], report: Report) -> Outcome:
        if settings["train.optimizer"] == "adam":
            return Outcome("failed", None, error="diverged")
        return learn(settings, report)

    trials = search(fail_near_the_best)
    best = find_best(trials)
    assert len(trials) == 40
    assert best is not None
    assert best.settings["train.optimizer"] == "sgd"
    # The sampler turns away from what fails.
    assert sum(one.state == "failed" for one in trials[20:]) < 8


def test_no_trial_starts_after_the_limit_and_running_ones_end() -> None:
    def slow(settings: Mapping[str, Any], report: Report) -> Outcome:
        time.sleep(0.1)
        return learn(settings, report)

    trials = search(slow, seconds=0.25)
    assert 1 <= len(trials) <= 3
    assert all(one.state == "finished" for one in trials)


def test_earlier_trials_count() -> None:
    first = search(num_trials=10)
    assert without_seconds(search(done=first, num_trials=10)) == without_seconds(first)
    assert len(search(done=first, num_trials=12)) == 12


def test_trials_run_side_by_side() -> None:
    together = threading.Barrier(3, timeout=20)

    def meet(settings: Mapping[str, Any], report: Report) -> Outcome:
        together.wait()
        return learn(settings, report)

    trials = search(meet, num_threads=3, num_trials=9)
    assert sorted(trial.number for trial in trials) == list(range(9))
    assert len({str(trial.settings) for trial in trials}) == 9


def test_an_error_ends_all_trials_and_keeps_those_that_ended() -> None:
    kept: list[Trial] = []
    is_given_up = threading.Event()

    def evaluate(settings: Mapping[str, Any], report: Report) -> Outcome:
        if settings == FIRST:
            while len(kept) < 4:
                time.sleep(0.01)
            raise ValueError("a defect")
        if len(kept) == 4:
            assert is_given_up.wait(20)  # the other thread's trial runs until it is given up
        return learn(settings, report)

    def keep(trials: list[Trial]) -> None:
        kept[:] = trials

    with pytest.raises(ValueError, match="a defect"):
        search(evaluate, on_trial=keep, give_up=is_given_up.set, num_threads=2)
    assert [trial.number for trial in kept] == [1, 2, 3, 4]
