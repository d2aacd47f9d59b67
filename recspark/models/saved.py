"""Loads a trained model from its folder."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from recspark.models.rating_model import RatingModel
from recspark.models.registry import find_architecture
from recspark.models.spec import ModelSpec
from recspark.saved import weights


def load_module(folder: str, card: Mapping[str, Any]) -> tuple[RatingModel, Tensor]:
    """Return (module, seen movies bool [M]) on the CPU, ready to predict."""
    model = find_architecture(card["architecture"])(ModelSpec.from_card(card["spec"]))
    state = weights.load_file(posixpath.join(folder, weights.MOVIES))
    seen = state.pop(weights.SEEN)
    model.load_state_dict(state)
    return model.eval(), seen
