"""Turns the state of training into named tensors for checkpoints, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from recspark.training.checkpoint import Snapshot
from recspark.training.group import Group
from recspark.training.learner import Learner

_MODEL, _BEST, _OPTIMISER = "model.", "best.", "optimiser."
_ROWS, _SEEN = "rows", "seen"


@dataclass
class BestWeights:
    """The weights of the best epoch so far."""

    user_rows: Tensor
    """[R, U], the rank's users."""
    model_state: dict[str, Tensor] = field(default_factory=dict)


def take_snapshot(learner: Learner, best: BestWeights, group: Group) -> Snapshot:
    """Return the tensors that a checkpoint keeps; all ranks call it together."""
    users = {_ROWS: learner.table.rows, _SEEN: learner.seen_users, **learner.table.memory}
    shared = {_MODEL + name: tensor for name, tensor in learner.model.state_dict().items()}
    for number, state in learner.optimiser.state_dict()["state"].items():
        for name, value in state.items():
            if value is not None:  # SGD has no momentum before its first step
                shared[f"{_OPTIMISER}{number}.{name}"] = torch.as_tensor(value)
    shared[_SEEN] = group.max(learner.seen_movies.byte()).bool()
    if best.model_state:
        users[_BEST + _ROWS] = best.user_rows
        shared |= {_BEST + name: tensor for name, tensor in best.model_state.items()}
    return Snapshot(users, shared)


def restore(snapshot: Snapshot, learner: Learner, best: BestWeights) -> None:
    """Restore the tensors of a checkpoint that `take_snapshot` made."""
    users = snapshot.users
    learner.table.rows.copy_(users[_ROWS])
    learner.seen_users.copy_(users[_SEEN])
    learner.seen_movies.copy_(snapshot.shared[_SEEN])
    for name, memory in learner.table.memory.items():
        memory.copy_(users[name])
    learner.model.load_state_dict(_named(snapshot.shared, _MODEL))
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _named(snapshot.shared, _OPTIMISER).items():
        number, field = name.split(".", 1)
        state.setdefault(int(number), {})[field] = value
    groups = learner.optimiser.state_dict()["param_groups"]
    learner.optimiser.load_state_dict({"state": state, "param_groups": groups})
    if _BEST + _ROWS in users:
        best.user_rows.copy_(users[_BEST + _ROWS])
        best.model_state = _named(snapshot.shared, _BEST)


def _named(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
