"""The device of each rank: a GPU of its own for every rank, or the CPU for all."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Sequence
from typing import NamedTuple

import torch

from recspark.errors import ConfigError, describe

logger = logging.getLogger(__name__)


class Place(NamedTuple):
    """Where a rank runs."""

    host: str
    gpu: str | None
    """The identity of the GPU that the rank would take; None if it sees none."""


def find_place(device: str) -> Place:
    """Return this rank's place.

    Args:
        device: `train.device`.

    Raises:
        ConfigError: The ranks of this host are more than its visible GPUs.
    """
    host = socket.gethostname()
    if device == "cpu" or not torch.cuda.is_available():
        return Place(host, None)
    num_ranks, visible = int(os.environ["LOCAL_WORLD_SIZE"]), torch.cuda.device_count()
    if num_ranks > visible:
        raise ConfigError(
            describe(
                f"train.device {device}",
                found=f"{num_ranks} ranks and {visible} visible GPUs on {host}",
                expected="a GPU for each rank",
                remedy="Lower the number of ranks, or set train.device cpu.",
            )
        )
    return Place(host, str(torch.cuda.get_device_properties(local_rank()).uuid))


def choose_device(device: str, places: Sequence[Place]) -> torch.device:
    """Return this rank's device; all ranks choose the same kind.

    `auto` takes the CPU, with a warning, if any rank sees no GPU.

    Args:
        device: `train.device`.
        places: The places of all ranks.

    Raises:
        ConfigError: `cuda` is asked for and a rank sees no GPU, or two ranks have the same one.
    """
    hosts = sorted({place.host for place in places if place.gpu is None})
    if hosts and device == "cuda":
        raise ConfigError(
            describe(
                "train.device cuda",
                found=f"no visible GPU on {', '.join(hosts)}",
                expected="a GPU for each rank",
                remedy="On a cluster give every task a GPU (scripts/submit.sh --gpus). Otherwise "
                "check nvidia-smi and torch.cuda.is_available() there, or set train.device cpu.",
            )
        )
    if hosts:
        if any(place.gpu for place in places):
            logger.warning(
                "training on the CPU: %s has no visible GPU, though other hosts have",
                ", ".join(hosts),
            )
        return torch.device("cpu")
    _require_apart(places)
    return torch.device("cuda", local_rank())


def local_rank() -> int:
    """Return this rank's number on its host."""
    return int(os.environ["LOCAL_RANK"])


def _require_apart(places: Sequence[Place]) -> None:
    ranks: dict[str | None, list[int]] = {}
    for rank, place in enumerate(places):
        ranks.setdefault(place.gpu, []).append(rank)
    for gpu, sharing in ranks.items():
        if len(sharing) > 1:
            raise ConfigError(
                describe(
                    "train.device",
                    found=f"ranks {' and '.join(map(str, sharing))} on the same GPU ({gpu} of "
                    f"{places[sharing[0]].host})",
                    expected="a GPU for each rank",
                    remedy="Check that the discovery script of each Worker lists GPUs that no "
                    "other Worker of its host lists.",
                )
            )
