"""Writes the history of a training run for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recspark.errors import EnvironmentProblem, describe


def write_tensorboard(folder: str, history: Sequence[Mapping[str, Any]]) -> None:
    """Write one scalar per figure and epoch.

    Args:
        folder: Where the event files go: local, or a place that TensorBoard can write to.
        history: The records of `history.jsonl`.

    Raises:
        EnvironmentProblem: TensorBoard is not installed.
    """
    writer = import_writer()(folder)
    for record in history:
        for name, value in record.items():
            if name != "epoch" and value is not None:
                writer.add_scalar(name, value, record["epoch"])
    writer.close()


def import_writer() -> Any:
    """Return TensorBoard's writer; an EnvironmentProblem says how to install it."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise EnvironmentProblem(
            describe(
                "train.tensorboard",
                found=f"no TensorBoard ({error})",
                expected="the package",
                remedy="pip install 'recspark[tracking]', or leave train.tensorboard out.",
            )
        ) from error
    return SummaryWriter
