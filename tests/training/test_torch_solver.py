"""The row solver in torch, against the compiled one: the same sums, solutions and draws."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch

from recspark.arrays.compiled import Threads
from recspark.training import make_rows, row_batches
from recspark.training.group import Group
from recspark.training.job import TrainJob
from recspark.training.row_batches import cut_into_chunks
from recspark.training.row_solver import RowPrior, RowSolver
from recspark.training.row_table import RowTable
from recspark.training.solve_loops import fill_normals
from recspark.training.torch_noise import make_normals
from recspark.training.torch_solver import TorchRowSolver, make_solver
from tests.training.jobs import as_rank, make_job, run_ranks, train_alone, train_rank
from tests.training.row_data import CPU, alone, make_tables
from tests.training.test_engine import assert_same, history
from tests.training.test_row_learner import MOST_KINDS, assert_same_times, with_times
from tests.training.test_row_solver import KEY, MEAN, SCALE, make_prior, random_tables


def in_torch() -> TorchRowSolver:
    return TorchRowSolver(Threads(1), Group(0, 1, CPU, None))  # type: ignore[arg-type]


def copy_of(table: RowTable) -> RowTable:
    return replace(table, values=table.values.copy())


@pytest.mark.parametrize("has_small_parts", [False, True])
@pytest.mark.parametrize("key", [None, KEY, 2**63 + 5])
@pytest.mark.parametrize("has_drift", [False, True])
@pytest.mark.parametrize("num_factors", [2, 33])
def test_both_solve_and_draw_the_same(
    monkeypatch: pytest.MonkeyPatch,
    num_factors: int,
    has_drift: bool,
    key: int | None,
    has_small_parts: bool,
) -> None:
    if has_small_parts:  # many chunks, batches and pieces of a row
        monkeypatch.setattr(row_batches, "PIECE", 16)
        monkeypatch.setattr(row_batches, "BATCH_RATINGS", 64)
        monkeypatch.setattr(row_batches, "CHUNK_BYTES", 100_000)
    users, movies = random_tables(num_factors, has_drift)
    for mine, other in ((users, movies), (movies, users)):
        prior = make_prior(mine.num_columns, len(mine.rows), is_plain=mine is movies)
        found = []
        for solver in (alone(), in_torch()):
            table, centers = copy_of(mine), np.zeros(mine.rows.shape, np.float32)
            errors = solver.solve(
                *(table, other, prior), mean=MEAN, scale=SCALE, key=key, centers=centers
            )
            if key is None:  # without a draw the compiled loops leave the centers of empty rows
                centers[mine.counts == 0] = 0
            found.append((table.values, centers, errors))
        for one, two, tolerance in zip(*found, (2e-4, 2e-4, 2e-3), strict=True):
            np.testing.assert_allclose(two, one, rtol=1e-4, atol=tolerance)


def test_both_solve_the_same_where_ratings_are_weights() -> None:
    users, movies = (replace(one, is_weighted=True) for one in random_tables(5, has_drift=False))
    for one in (users, movies):
        one.ratings[:] = np.abs(one.ratings)
        one.weights[:] = 1
    for mine, other in ((users, movies), (movies, users)):
        prior = make_prior(mine.num_columns, 1, is_plain=True)
        tables = [copy_of(mine), copy_of(mine)]
        errors = [
            solver.solve(table, other, prior)
            for solver, table in zip((alone(), in_torch()), tables, strict=True)
        ]
        np.testing.assert_allclose(tables[1].values, tables[0].values, rtol=1e-4, atol=2e-4)
        np.testing.assert_allclose(errors[1][:, 0], errors[0][:, 0], rtol=1e-3, atol=2e-3)
        np.testing.assert_allclose(errors[1][:, 2], errors[0][:, 2], rtol=1e-4, atol=2e-3)


def test_a_row_without_ratings_gets_the_mean_of_an_improper_prior() -> None:
    users, movies = random_tables(2, has_drift=False)
    size = users.num_columns
    prior = RowPrior(np.zeros((size, size)), np.full(size, 0.1), np.full((1, size), 0.5))
    errors = in_torch().solve(users, movies, prior)
    assert users.rows[-1].tolist() == [0.5] * size
    assert errors[-1].tolist() == [0, 0, 0]
    assert np.isfinite(users.rows).all()


def test_a_matrix_without_a_factor_gives_no_number() -> None:
    users, movies = random_tables(2, has_drift=False)
    size = users.num_columns
    prior = RowPrior(-1e6 * np.eye(size), np.zeros(size), np.zeros((1, size)))
    errors = in_torch().solve(users, movies, prior)
    assert np.isnan(users.rows[:-1]).all()
    assert np.isnan(errors[:-1, 1]).all()


def test_ratings_that_change_are_read_again() -> None:
    users, movies = random_tables(3, has_drift=False)
    both = (alone(), copy_of(users)), (in_torch(), copy_of(users))
    prior = make_prior(users.num_columns, 1, is_plain=True)
    for _ in range(2):
        for solver, table in both:
            solver.solve(table, movies, prior)
        np.testing.assert_allclose(both[1][1].values, both[0][1].values, atol=1e-4)
        users.ratings[:] += 1  # as the process over time does


def test_the_noise_is_that_of_the_compiled_loops() -> None:
    names = np.array([0, 1, 7, 2**31 - 1, 2**40], np.int64)
    for key in (0, 5, 2**63 + 11, 2**64 - 1):
        expected = np.empty((len(names), 9))
        fill_normals(1.0, np.uint64(key), names, expected)
        found = make_normals(key, torch.from_numpy(names), 9).numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


def test_batches_hold_each_rating_once_with_little_padding() -> None:
    counts = np.arange(300) ** 2 // 20  # up to 4,470 ratings
    owners = np.repeat(np.arange(300), counts)
    users, _ = make_tables(
        *(owners, np.zeros(len(owners)), np.zeros(len(owners))),
        num_users=300,
        num_movies=1,
        num_factors=8,
    )
    places = []
    for chunk in cut_into_chunks(users, CPU):
        for batch in chunk.batches:
            assert batch.longest == batch.lengths.max() <= 1.25 * batch.lengths.min()
            for row, begin, length in zip(batch.rows, batch.begins, batch.lengths, strict=True):
                assert users.starts[row] <= begin < begin + length <= users.starts[row + 1]
                places += range(int(begin), int(begin + length))
    assert sorted(places) == list(range(len(users.others)))


def test_the_device_chooses_the_solver() -> None:
    threads = Threads(1)
    for name, kind in (("cpu", RowSolver), ("cuda", TorchRowSolver)):
        group = Group(0, 1, torch.device(name), None)  # type: ignore[arg-type]
        assert type(make_solver(threads, group)) is kind


def train_in_torch(job: TrainJob, rank: int, num_ranks: int, port: int) -> None:
    with (
        mock.patch.object(make_rows, "make_solver", TorchRowSolver),
        mock.patch.object(row_batches, "CHUNK_BYTES", 2000),
        as_rank(rank, num_ranks, port),
    ):
        train_rank(job)


@MOST_KINDS
@pytest.mark.parametrize("num_ranks", [1, 2])
def test_models_are_the_same_on_one_and_two_ranks(
    tmp_path: Path, kind: dict[str, Any], num_ranks: int
) -> None:
    job = with_times(make_job(tmp_path, **kind))
    compiled = train_alone(job, tmp_path / "compiled")
    batched = run_ranks(train_in_torch, job, tmp_path / "batched", num_ranks)
    assert_same(compiled, batched, 2e-3)
    assert_same_times(compiled, batched, 2e-3)
    for mine, others in zip(history(compiled), history(batched), strict=True):
        assert others["train_rmse"] == pytest.approx(mine["train_rmse"], abs=1e-4)
        assert others["valid_rmse"] == pytest.approx(mine["valid_rmse"], abs=1e-4)
