from __future__ import annotations

import logging
import socket

import pytest
import torch

from recspark.errors import ConfigError
from recspark.training.device import Place, choose_device, find_place
from tests.training.jobs import as_rank

APART = [Place("alpha", "GPU-1"), Place("alpha", "GPU-2"), Place("beta", "GPU-3")]
ONE_WITHOUT = [*APART, Place("gamma", None)]


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_every_rank_takes_the_gpu_of_its_local_number(device: str) -> None:
    with as_rank(2, 3):
        assert choose_device(device, APART) == torch.device("cuda", 2)


def test_auto_takes_the_cpu_where_a_host_has_no_gpu_and_names_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert choose_device("auto", ONE_WITHOUT) == torch.device("cpu")
    assert "training on the CPU: gamma has no visible GPU" in caplog.text


def test_no_gpu_at_all_is_nothing_to_warn_about(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        for device in ("auto", "cpu"):
            assert choose_device(device, [Place("a", None)] * 2) == torch.device("cpu")
    assert not caplog.text


def test_cuda_is_refused_where_a_host_has_no_gpu() -> None:
    with pytest.raises(ConfigError, match="found no visible GPU on gamma, expected a GPU for each"):
        choose_device("cuda", ONE_WITHOUT)


def test_ranks_that_share_a_gpu_are_refused() -> None:
    shared = [*APART, Place("beta", "GPU-3")]
    with pytest.raises(ConfigError, match=r"ranks 2 and 3 on the same GPU \(GPU-3 of beta\)"):
        choose_device("auto", shared)


def test_more_ranks_than_gpus_are_refused_and_the_cpu_needs_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # This machine may have no GPU.
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with as_rank(0, 2):
        assert find_place("cpu") == Place(socket.gethostname(), None)
        for device in ("auto", "cuda"):
            with pytest.raises(ConfigError, match="found 2 ranks and 1 visible GPUs on"):
                find_place(device)
