"""Turns the state of training into named tensors for checkpoints, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from recspark.training.checkpoint import Snapshot
from recspark.training.group import Group
from recspark.training.learner import Learner, Memory

_MODEL, _BEST, _MEMORY = "model.", "best.", "memory."
_ROWS, _SEEN = "rows", "seen"


@dataclass
class BestWeights:
    """The weights of the best epoch so far."""

    user_rows: Tensor
    """[R, U], the rank's users."""
    model_state: dict[str, Tensor] = field(default_factory=dict)


def take_snapshot(learner: Learner, best: BestWeights, group: Group) -> Snapshot:
    """Return the tensors that a checkpoint keeps; all ranks call it together."""
    memory = learner.memory()
    users = {_ROWS: learner.rows.detach(), _SEEN: learner.seen_users}
    users |= {_MEMORY + name: tensor for name, tensor in memory.users.items()}
    shared = {_MODEL + name: tensor for name, tensor in learner.model.state_dict().items()}
    shared |= {_MEMORY + name: tensor for name, tensor in memory.shared.items()}
    shared[_SEEN] = group.max(learner.seen_movies.byte()).bool()
    if best.model_state and not learner.keeps_last:
        users[_BEST + _ROWS] = best.user_rows
        shared |= {_BEST + name: tensor for name, tensor in best.model_state.items()}
    return Snapshot(users, shared)


@torch.no_grad()
def restore(snapshot: Snapshot, num_steps: int, learner: Learner, best: BestWeights) -> None:
    """Restore the tensors of a checkpoint that `take_snapshot` made after `num_steps` steps."""
    users, shared = snapshot.users, snapshot.shared
    learner.num_steps = num_steps
    learner.rows.copy_(users[_ROWS])
    learner.seen_users.copy_(users[_SEEN])
    learner.seen_movies.copy_(shared[_SEEN])
    learner.model.load_state_dict(_named(shared, _MODEL))
    learner.load_memory(Memory(_named(users, _MEMORY), _named(shared, _MEMORY)))
    if _BEST + _ROWS in users:
        best.user_rows.copy_(users[_BEST + _ROWS])
        best.model_state = _named(shared, _BEST)


def _named(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
