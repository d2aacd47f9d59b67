"""LIBMF as the yardstick of factorisation.py: seconds of an iteration, and the RMSE after each."""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

with contextlib.redirect_stdout(io.StringIO()):  # it prints where its library lies
    from libmf import mf

Rows = npt.NDArray[np.float32]
"""[N, 3]: user, movie, rating."""
FEW, MANY = 2, 6
"""Iterations of the two runs whose difference is timed, so that setting up does not count."""


@dataclass(frozen=True)
class Settings:
    """What is tuned: factors, L2 weight of both sides, step size at the start."""

    factors: int
    reg: float
    rate: float

    @classmethod
    def parse(cls, text: str) -> Settings:
        """Return the settings of `factors,reg,rate`."""
        factors, reg, rate = text.split(",")
        return cls(int(factors), float(reg), float(rate))


def iteration_seconds(train: Rows, settings: Settings, threads: int) -> float:
    """Return the seconds of an iteration over `train`."""
    seconds = {}
    for iterations in (FEW, MANY):
        model = _make(settings, threads, iterations, quiet=True)
        started = time.perf_counter()
        model.fit(train)
        seconds[iterations] = time.perf_counter() - started
    return (seconds[MANY] - seconds[FEW]) / (MANY - FEW)


def rmse_by_iteration(
    train: Rows, valid: Rows, settings: Settings, threads: int, iterations: int
) -> list[float]:
    """Return the RMSE on `valid` after each iteration, as LIBMF prints it."""
    with _printed() as lines:
        _make(settings, threads, iterations, quiet=False).mf_train_test(train, valid)
    table = (line.split() for line in lines if re.match(r"\s*\d+\s", line))
    return [float(valid_rmse) for _, _, valid_rmse, _ in table]


def _make(settings: Settings, threads: int, iterations: int, *, quiet: bool) -> mf.MF:
    return mf.MF(
        k=settings.factors,
        nr_threads=threads,
        nr_iters=iterations,
        lambda_p1=0.0,
        lambda_q1=0.0,
        lambda_p2=settings.reg,
        lambda_q2=settings.reg,
        eta=settings.rate,
        quiet=quiet,
    )


@contextlib.contextmanager
def _printed() -> Iterator[list[str]]:
    """Collect what C code prints meanwhile; the lines are there at the end."""
    lines: list[str] = []
    libc, kept = ctypes.CDLL(None), os.dup(1)
    with tempfile.TemporaryFile("w+") as file:
        libc.fflush(None)
        os.dup2(file.fileno(), 1)
        try:
            yield lines
        finally:
            libc.fflush(None)
            os.dup2(kept, 1)
            os.close(kept)
        file.seek(0)
        lines += file.read().splitlines()
