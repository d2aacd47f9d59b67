from __future__ import annotations

import pytest
import torch
from torch import nn

from recspark.errors import ConfigError
from recspark.models.batch_norm import BatchNorm
from recspark.models.dropout import Dropout
from recspark.models.layers import build_hidden, build_layers


def test_each_entry_becomes_its_module_and_a_dense_layer_ends_them() -> None:
    words = ["dropout 0.3", "dense 7", "relu", "batch_norm", "dense 5"]
    layers = build_layers(words, num_inputs=4, num_outputs=2)
    kinds = [Dropout, nn.Linear, nn.ReLU, BatchNorm, nn.Linear, nn.Linear]
    assert [type(module) for module in layers] == kinds
    assert layers[0].p == 0.3
    widths = [(m.in_features, m.out_features) for m in layers if isinstance(m, nn.Linear)]
    assert widths == [(4, 7), (7, 5), (5, 2)]
    assert layers[3].num_features == 7
    assert layers(torch.randn(3, 4)).shape == (3, 2)


def test_hidden_layers_return_their_width() -> None:
    assert build_hidden(["dense 7", "relu", "dropout 0"], 4)[1] == 7
    assert build_hidden(["relu"], 4)[1] == 4


@pytest.mark.parametrize(
    "entry",
    [
        *("dense", "dense 0", "dense x", "dense 3 4", "dense 2.5", "relu 1", "tanh 2", "selu", ""),
        *("dropout", "dropout 1", "dropout -0.1", "dropout nan"),
    ],
)
def test_other_entries_are_refused_by_name(entry: str) -> None:
    with pytest.raises(ConfigError, match=rf"train\.layers: found `{entry}`, expected `dense N`"):
        build_layers(["relu", entry], 2, 1)
