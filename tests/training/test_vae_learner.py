"""mult_vae as a whole: it learns, resumes, and its divergence counts little at the start."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.jobs import train_alone, train_together
from tests.training.rankers import VAE, make_ranker, saved_tables, weight_matrix
from tests.training.test_engine import assert_same, history, interrupt, weights


def test_it_learns_and_keeps_the_best_epoch_on_valid(tmp_path: Path) -> None:
    job = train_alone(
        make_ranker(tmp_path, **{**VAE, "epochs": 30, "patience": 30}), tmp_path / "m"
    )
    records = history(job)
    card = json.loads((Path(job.folder) / "model.json").read_text())
    best = max(one["valid_ndcg"] for one in records)
    assert card["valid_ndcg"] == records[card["best_epoch"]]["valid_ndcg"] == best
    assert records[-1]["train_loss"] < 0.97 * records[0]["train_loss"]
    assert all(one["train_rmse"] is None for one in records)
    users, movies = saved_tables(job)
    scores, known = users[:, :-1] @ movies[:, :-1].T + movies[:, -1], weight_matrix(job)
    is_user = (known > 0).any(axis=1)
    assert scores[known > 0].mean() > scores[is_user][known[is_user] == 0].mean() + 0.03


@pytest.mark.parametrize("saves", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_a_resumed_run_goes_on_as_it_would_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saves: int
) -> None:
    job = make_ranker(tmp_path, **{**VAE, "patience": 10})
    undisturbed = train_alone(job, tmp_path / "undisturbed")
    interrupt(job, tmp_path / "resumed", monkeypatch, saves)
    again = replace(job, settings=replace(job.settings, resume=True))
    assert_same(undisturbed, train_alone(again, tmp_path / "resumed"), 0.0)


def test_several_ranks_rank_about_as_well_as_one(tmp_path: Path) -> None:
    job = make_ranker(tmp_path, **{**VAE, "epochs": 20, "patience": 20})
    alone = history(train_alone(job, tmp_path / "alone"))
    together = history(train_together(job, tmp_path / "together", 2))
    for mine, others in zip(alone, together, strict=True):  # masks and codes are other draws
        assert others["train_loss"] == pytest.approx(mine["train_loss"], rel=0.03)
    best = [max(one["valid_ndcg"] for one in records) for records in (alone, together)]
    assert best[0] == pytest.approx(best[1], abs=0.1)


def after_two_steps(tmp_path: Path, **settings: Any) -> dict[str, torch.Tensor]:
    """Return the weights after two epochs of one step each."""
    name = "-".join(map(str, settings.values()))
    options = {**VAE, "epochs": 2, "batch_size": 100, "layers": ("dense 6", "tanh"), **settings}
    job = replace(make_ranker(tmp_path / name, **options), valid_rows={})
    return weights(train_alone(job, tmp_path / name / "m"))


def test_the_weight_of_the_divergence_rises_from_0(tmp_path: Path) -> None:
    none = after_two_steps(tmp_path, kl_weight=0.0, kl_epochs=4)
    # The first of four epochs has a quarter less than full weight: 0, the second 1/4 of 2.
    rising = after_two_steps(tmp_path, kl_weight=2.0, kl_epochs=4)
    half = after_two_steps(tmp_path, kl_weight=1.0, kl_epochs=2)
    full = after_two_steps(tmp_path, kl_weight=2.0, kl_epochs=0)
    code = "movies.safetensors/code.weight"
    np.testing.assert_array_equal(rising[code], half[code])
    assert not np.array_equal(rising[code], none[code])
    assert not np.array_equal(rising[code], full[code])
