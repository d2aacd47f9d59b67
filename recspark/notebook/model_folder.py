"""Opens a model by its folder."""

from __future__ import annotations

import os
import posixpath

from recspark.contract.paths import RunPaths
from recspark.errors import DataError, describe
from recspark.files import storage
from recspark.notebook.model import Model
from recspark.notebook.run import Run


def open_model(path: str | os.PathLike[str]) -> Model:
    """Return the model of a folder `<run>/models/<name>`.

    Raises:
        DataError: The path is not such a folder, or as in `Run.model`.
    """
    folder = storage.absolute(os.fspath(path)).rstrip("/")
    models, name = posixpath.split(folder)
    root = posixpath.dirname(models)
    if RunPaths(root).model(name) != folder:
        raise DataError(
            describe(
                folder,
                found="a path that does not name a model",
                expected="the folder of a model, <run>/models/<name>",
                remedy="Pass such a folder, or open the run: recspark.Run(path).model(name).",
            )
        )
    return Run(root).model(name)
