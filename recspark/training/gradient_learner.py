"""Learning by autograd: backward, the sum over the ranks, clipping, torch's fused optimiser."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from recspark.config import TrainConfig
from recspark.models.rating_model import RatingModel
from recspark.training.clock import Clock
from recspark.training.group import Group
from recspark.training.learner import Learner, Memory
from recspark.training.optimisers import make_optimiser
from recspark.training.plan import StepPlan

_PREFIX = "optimiser."


class GradientLearner(Learner):
    """A learner whose gradients autograd computes."""

    def __init__(
        self,
        model: RatingModel,
        rows: Tensor,
        plan: StepPlan,
        settings: TrainConfig,
        group: Group,
        *,
        tables: tuple[Tensor, ...] = (),
    ) -> None:
        """Make the optimiser of the module, and of `tables` that are L2-penalised as a whole."""
        super().__init__(model, rows, plan, group)
        self._settings = settings
        self._optimiser = make_optimiser(model, settings, tables)

    def _descend(self, learning_rate: float, clock: Clock) -> None:
        """Update the module and the users by the gradient of this rank's part of the loss."""
        clock.mark("forward_backward")
        gradients = [_gradient(parameter) for parameter in self.model.parameters()]
        self._group.sum_gradients(gradients)
        clock.mark("communication")
        self.num_steps += 1
        self._complete_gradients()
        scale = None
        if self._settings.clip_norm is not None:
            scale = self._clip_scale(gradients, self._settings.clip_norm)
            for gradient in gradients:
                gradient.mul_(scale)
        for options in self._optimiser.param_groups:
            options["lr"] = learning_rate
        self._update_users(learning_rate, scale)
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        clock.mark("optimiser")

    def _clip_scale(self, gradients: list[Tensor], limit: float) -> Tensor:
        """Return the factor, at most 1, that bounds the joint norm of module and all users."""
        squares = self._group.sum(self._user_squares())
        for gradient in gradients:
            # By rows: one sum in float32 loses digits, and float64 copies are slow.
            squares += torch.linalg.vector_norm(gradient, dim=-1).double().square().sum()
        return (limit / (squares.sqrt() + 1e-12)).clamp_max(1).float()

    def _complete_gradients(self) -> None:
        """Add what the loss of the batch's rows leaves out, when gradients are summed."""

    @abstractmethod
    def _user_squares(self) -> Tensor:
        """Return the squared norm of the gradient of the rank's users, float64, a scalar."""

    @abstractmethod
    def _update_users(self, learning_rate: float, scale: Tensor | None) -> None:
        """Update the users by their gradient times `scale`."""

    def memory(self) -> Memory:
        """Return the optimiser's state; that of a table of users is divided like the users."""
        users: dict[str, Tensor] = {}
        shared: dict[str, Tensor] = {}
        for number, (parameter, state) in enumerate(self._states()):
            for name, value in state.items():
                if value is not None:  # SGD has no momentum before its first step
                    is_users = parameter is self.rows and value.dim() == 2
                    into = users if is_users else shared
                    into[f"{_PREFIX}{number}.{name}"] = torch.as_tensor(value)
        return Memory(users, shared)

    def load_memory(self, memory: Memory) -> None:
        """Restore the optimiser's state."""
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in {**memory.users, **memory.shared}.items():
            if name.startswith(_PREFIX):
                number, field = name.removeprefix(_PREFIX).split(".", 1)
                state.setdefault(int(number), {})[field] = value
        groups = self._optimiser.state_dict()["param_groups"]
        self._optimiser.load_state_dict({"state": state, "param_groups": groups})

    def _states(self) -> list[tuple[Tensor, dict[str, Tensor]]]:
        parameters = [p for group in self._optimiser.param_groups for p in group["params"]]
        return [(parameter, self._optimiser.state.get(parameter, {})) for parameter in parameters]


def _gradient(parameter: Tensor) -> Tensor:
    """Return a parameter's gradient; zeros if this rank's rows did not use it."""
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    return parameter.grad
