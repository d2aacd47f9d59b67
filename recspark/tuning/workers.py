"""Processes that carry out the trials of a trained model, one after another in each.

A process imports PyTorch and joins its group once, not for each trial. It writes nothing to disk,
and ends when the process that started it ends.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import queue
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from recspark.errors import ConfigError, RecsparkError, TrainingError
from recspark.logs import configure_logging
from recspark.training.job import TrainJob
from recspark.tuning.study import Report
from recspark.tuning.trials import Outcome

logger = logging.getLogger(__name__)

# What a process sends: that it is ready, an epoch with its RMSE, the end of a trial, an error.
_READY, _EPOCH, _END, _ERROR = "ready", "epoch", "end", "error"
_WATCH_SECONDS = 1.0


def lone_rank(job: TrainJob, num_cores: int) -> TrainJob:
    """Return the job as a trial runs it: by one rank, with the reader that starts fastest."""
    settings = replace(job.settings, num_ranks=1, resume=False, tensorboard=False, reader="arrow")
    return replace(job, settings=settings, num_cores=num_cores)


class Workers:
    """A few worker processes; a thread that has a trial takes an idle one."""

    def __init__(self, count: int, variables: Mapping[str, str]) -> None:
        """Start `count` processes with these environment variables beside those of this one."""
        self._variables, self._lock = variables, threading.Lock()
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self._is_closed = False
        self._all: dict[int, _Worker] = {}
        for slot in range(count):
            self._idle.put(self._start(slot))
        for worker in self._all.values():
            worker.wait_until_ready()

    def run(self, job: TrainJob, report: Report) -> Outcome:
        """Return how a trial ended, after carrying it out in an idle process.

        Raises:
            ConfigError: The settings are refused only by the training itself.
            TrainingError: The trial ended by an error that others would meet as well.
        """
        worker = self._idle.get()
        try:
            return worker.run(job, report)
        except (EOFError, OSError):
            worker.process.join()
            if self._is_closed:
                return Outcome("failed", None, error="given up")
            cause = f"its process ended with exit code {worker.process.exitcode}"
            worker = self._start(worker.slot)
            worker.wait_until_ready()
            return Outcome("failed", None, error=f"{cause}, as when memory runs out")
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        """End all processes, also in the middle of a trial."""
        self._is_closed = True
        for worker in self._all.values():
            worker.process.kill()
        for worker in self._all.values():
            worker.process.join()

    def _start(self, slot: int) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=serve, args=(theirs, slot), name=f"trials-{slot}", daemon=True
        )
        with self._lock:
            with _environment(self._variables):
                process.start()
            theirs.close()
            self._all[slot] = _Worker(slot, process, ours)
        return self._all[slot]


@dataclass
class _Worker:
    slot: int
    process: BaseProcess
    connection: Connection

    def wait_until_ready(self) -> None:
        """Return when the process has loaded what training needs."""
        try:
            self.connection.recv()
        except EOFError as error:
            self.process.join()
            raise TrainingError(
                f"tune: a process for trials ended with exit code {self.process.exitcode} when it "
                "started; see the lines above."
            ) from error

    def run(self, job: TrainJob, report: Report) -> Outcome:
        """Return how a trial ended; EOFError or OSError if the process died."""
        self.connection.send(job)
        while True:
            kind, *content = self.connection.recv()
            if kind == _EPOCH:
                epoch, rmse = content
                self.connection.send(report(epoch, rmse))
            elif kind == _END:
                return Outcome(*content)
            else:
                is_config, message = content
                raise ConfigError(message) if is_config else TrainingError(message)


def serve(connection: Connection, slot: int) -> None:
    """Carry out trials, in a process of their own, until the other end closes.

    Args:
        connection: Brings a `TrainJob` for each trial, and takes its epochs and its end.
        slot: Which of the processes this one is.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one handles it
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    configure_logging()
    logging.getLogger("recspark").setLevel(logging.WARNING)
    from recspark.training.group import join_group
    from recspark.training.trial import find_gpu

    with contextlib.suppress(EOFError, OSError):
        connection.send((_READY,))
        job = connection.recv()
        os.environ.update(_place(find_gpu(slot)))
        with join_group(job.settings) as group:
            while True:
                connection.send(_carry_out(job, group, connection))
                job = connection.recv()


def _carry_out(job: TrainJob, group: Any, connection: Connection) -> tuple[Any, ...]:
    """Return the message about the end of a trial."""
    from recspark.training.trial import run_trial

    def tell(epoch: int, rmse: float) -> bool:
        connection.send((_EPOCH, epoch, rmse))
        return bool(connection.recv())

    try:
        trained = run_trial(job, group, tell)
    except TrainingError as error:
        return (_END, "failed", None, [], str(error))
    except RecsparkError as error:
        return (_ERROR, isinstance(error, ConfigError), str(error))
    except (EOFError, OSError):
        raise
    except Exception as error:
        logger.exception("tune: a trial failed")
        return (_ERROR, False, f"a trial ended with {type(error).__name__}: {error}")
    return (_END, "pruned" if trained.is_stopped else "finished", trained.rmse, trained.curve)


def _place(gpu: int) -> dict[str, str]:
    """Return the variables by which torchrun would tell a lone rank its place."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return {
        "RANK": "0",
        "WORLD_SIZE": "1",
        "LOCAL_RANK": str(gpu),
        "LOCAL_WORLD_SIZE": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def _end_with(parent: int) -> None:
    """End this process soon after its parent was killed, even within a long epoch."""
    while os.getppid() == parent:
        time.sleep(_WATCH_SECONDS)
    os._exit(1)


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables that a child inherits, except those that the user set."""
    added = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
