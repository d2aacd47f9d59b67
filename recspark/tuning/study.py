"""The search itself: Optuna proposes settings and judges curves, threads carry out the trials.

Sampler: tree-structured Parzen estimator (Bergstra, Bardenet, Bengio, Kégl 2011). Pruner: median
rule (Golovin and others 2017, "Google Vizier", section 3.2.2). The study lives in memory and is
built again from the trials that are on disk. The sampler is seeded for each trial anew, so with one
trial at a time a search that was killed and continued proposes what it would have proposed.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from recspark.config.tune import SearchRange
from recspark.tuning.space import Space, encode, is_whole
from recspark.tuning.trials import Outcome, Trial

Report = Callable[[int, float], bool]
"""Takes an epoch, from 0, and its RMSE on valid; returns whether the trial is to stop."""
Evaluate = Callable[[Mapping[str, Any], Report], Outcome]
"""Carries out one trial."""

# Trials that finish before the median rule stops others, and that a median needs at an epoch.
FIRST_TRIALS = 5


class Search:
    """A search in progress; its methods are called by one thread at a time."""

    def __init__(
        self, space: Space, first: Mapping[str, Any], *, seed: int, prune: bool, max_epochs: int
    ) -> None:
        """Begin without trials.

        Args:
            space: What to search.
            first: Settings of the first trial.
            seed: Seed of the sampler.
            prune: Whether to stop trials early.
            max_epochs: Epochs of a trial; in the first tenth none is stopped.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._distributions = {name: _distribution(name, found) for name, found in space.items()}
        self._first, self._seed = first, seed
        self._study = optuna.create_study(
            direction="minimize",
            pruner=optuna.pruners.MedianPruner(
                n_startup_trials=FIRST_TRIALS,
                n_warmup_steps=max_epochs // 10,
                n_min_trials=FIRST_TRIALS,
            )
            if prune
            else optuna.pruners.NopPruner(),
        )

    def add(self, trial: Trial) -> None:
        """Add a trial of an earlier run; they come in the order of their numbers."""
        self._study.add_trial(
            optuna.trial.create_trial(
                state=TrialState.COMPLETE if trial.state == "finished" else TrialState.PRUNED,
                value=trial.rmse if trial.state == "finished" else _last(trial.curve),
                params=self._encode(trial.settings),
                distributions=self._distributions,
                intermediate_values=dict(enumerate(trial.curve)),
            )
        )

    def ask(self) -> tuple[optuna.Trial, dict[str, Any]]:
        """Return a new trial and its settings."""
        number = len(self._study.get_trials(deepcopy=False))
        if number == 0:
            self._study.enqueue_trial(self._encode(self._first))
        seed = np.random.SeedSequence([self._seed, number]).generate_state(1)[0]
        self._study.sampler = optuna.samplers.TPESampler(seed=int(seed), constant_liar=True)
        asked = self._study.ask(self._distributions)
        chosen = {name: self._decode(name, value) for name, value in asked.params.items()}
        return asked, {name: chosen[name] for name in self._distributions}

    def report(self, asked: optuna.Trial, epoch: int, rmse: float) -> bool:
        """Note an epoch's RMSE, and return whether the trial is to stop.

        The first trial, which the others are compared with, always runs to its end.
        """
        asked.report(rmse, epoch)
        return asked.number > 0 and asked.should_prune()

    def tell(self, asked: optuna.Trial, outcome: Outcome) -> None:
        """Note how a trial ended; one that failed counts as worse than all others."""
        if outcome.state == "finished":
            self._study.tell(asked, outcome.rmse)
        else:
            self._study.tell(asked, state=TrialState.PRUNED)

    def _encode(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: encode(value)
            if isinstance(self._distributions[name], CategoricalDistribution)
            else value
            for name, value in settings.items()
        }

    def _decode(self, name: str, value: Any) -> Any:
        is_choice = isinstance(self._distributions[name], CategoricalDistribution)
        return json.loads(value) if is_choice else value


def run_trials(
    search: Search,
    evaluate: Evaluate,
    done: Sequence[Trial],
    on_trial: Callable[[list[Trial]], None],
    give_up: Callable[[], None],
    *,
    num_trials: int,
    seconds: float | None,
    num_threads: int,
) -> list[Trial]:
    """Return all trials of a search, in the order of their ends.

    Args:
        search: A search without trials.
        evaluate: Carries out a trial; called by several threads at a time.
        done: Trials of earlier runs, in the order of their numbers.
        on_trial: Called after each trial with all trials so far.
        give_up: Called once if the search fails or is interrupted; ends the trials that run.
        num_trials: Trials in all.
        seconds: Time after which no trial starts; None for no limit.
        num_threads: Trials side by side.

    Raises:
        Exception: What `evaluate` or `on_trial` raised.
    """
    lock, started = threading.Lock(), time.monotonic()
    trials: list[Trial] = []
    for one in done:
        trial = _renumber(one, len(trials))
        search.add(trial)
        trials.append(trial)
    num_asked, is_given_up = len(trials), threading.Event()

    def may_start() -> bool:
        is_late = seconds is not None and time.monotonic() - started >= seconds
        return num_asked < num_trials and not is_late and not is_given_up.is_set()

    def work() -> None:
        nonlocal num_asked
        while True:
            with lock:
                if not may_start():
                    return
                asked, settings = search.ask()
                number, began = num_asked, time.monotonic()
                num_asked += 1

            def report(epoch: int, rmse: float, asked: optuna.Trial = asked) -> bool:
                with lock:
                    return search.report(asked, epoch, rmse)

            outcome = evaluate(settings, report)
            if is_given_up.is_set():
                return
            with lock:
                search.tell(asked, outcome)
                took = round(time.monotonic() - began, 3)
                trials.append(Trial(number, settings, took, **vars(outcome)))
                on_trial(trials)

    with ThreadPoolExecutor(num_threads, thread_name_prefix="trial") as pool:
        threads = [pool.submit(work) for _ in range(num_threads)]
        try:
            for ended in wait(threads, return_when=FIRST_EXCEPTION).done:
                ended.result()
        except BaseException:
            is_given_up.set()
            give_up()
            raise
    return trials


def _distribution(name: str, found: SearchRange) -> BaseDistribution:
    if found.choices:
        return CategoricalDistribution([encode(value) for value in found.choices])
    if is_whole(name):
        return IntDistribution(int(found.low), int(found.high), log=found.log)
    return FloatDistribution(found.low, found.high, log=found.log)


def _last(curve: Sequence[float]) -> float | None:
    return curve[-1] if curve else None


def _renumber(trial: Trial, number: int) -> Trial:
    """Return the trial as the next one: trials that were cut short left gaps."""
    return Trial(**{**vars(trial), "number": number})
