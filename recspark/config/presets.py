"""The presets that come with recspark: a YAML file for each model, beside the code."""

from __future__ import annotations

import atexit
import functools
import importlib.resources
import shutil
import tempfile
from pathlib import Path


@functools.cache
def presets_folder() -> Path:
    """Return the folder of the presets, unpacked for this process if the library is a zip."""
    presets = importlib.resources.files("recspark") / "presets"
    if isinstance(presets, Path):
        return presets
    folder = Path(tempfile.mkdtemp(prefix="recspark-presets-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for preset in presets.iterdir():
        (folder / preset.name).write_bytes(preset.read_bytes())
    return folder


def list_presets() -> list[str]:
    """Return the names of all presets, sorted."""
    return sorted(path.stem for path in presets_folder().glob("*.yaml"))
