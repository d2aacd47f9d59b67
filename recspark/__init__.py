"""recspark: raw ratings to scored test sets, with Spark, Petastorm and PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recspark.training.loaded import LoadedModel

__version__ = "0.1.0"


def load_model(path: str) -> LoadedModel:
    """Return the trained model of a folder `<run>/models/<name>`, to predict with in Python.

    `load_model("runs/movielens-100k/models/biased_mf").predict([196, 186], [242, 302])`
    """
    from recspark.training.loaded import load_model as load

    return load(path)
