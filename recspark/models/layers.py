"""Builds modules from layers given as text, e.g. `dropout 0.3`, `dense 512`, `relu`.

A dense layer is an nn.Linear with torch's default initialisation (uniform, ±1/√inputs).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from recspark.config.train import LAYER_FORMS
from recspark.errors import ConfigError, describe
from recspark.models.batch_norm import BatchNorm
from recspark.models.dropout import Dropout


def build_layers(layers: Sequence[str], num_inputs: int, num_outputs: int) -> nn.Sequential:
    """Return the layers, [B, num_inputs] → [B, num_outputs], with a dense one added at the end.

    Raises:
        ConfigError: An entry has none of the known forms.
    """
    hidden, width = build_hidden(layers, num_inputs)
    return hidden.append(nn.Linear(width, num_outputs))


def build_hidden(layers: Sequence[str], num_inputs: int) -> tuple[nn.Sequential, int]:
    """Return the layers as given, and their number of output columns.

    Raises:
        ConfigError: An entry has none of the known forms.
    """
    modules, width = nn.Sequential(), num_inputs
    for entry in layers:
        module = _build(entry, width)
        modules.append(module)
        if isinstance(module, nn.Linear):
            width = module.out_features
    return modules, width


def _build(entry: str, num_inputs: int) -> nn.Module:
    try:
        match entry.split():
            case ["dense", size] if int(size) >= 1:
                return nn.Linear(num_inputs, int(size))
            case ["dropout", share] if 0 <= float(share) < 1:
                return Dropout(float(share))
            case ["relu"]:
                return nn.ReLU()
            case ["tanh"]:
                return nn.Tanh()
            case ["batch_norm"]:
                return BatchNorm(num_inputs)
    except ValueError:
        pass  # not a number
    raise ConfigError(
        describe(
            "train.layers",
            found=f"`{entry}`",
            expected=LAYER_FORMS,
            remedy="Change the entry in the model's preset.",
        )
    )
