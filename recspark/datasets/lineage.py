"""Checks whether a data set of a run was made from the current versions of its inputs."""

from __future__ import annotations

from recspark.datasets.manifest import Manifest
from recspark.errors import DataError, describe


def find_outdated(manifest: Manifest, **inputs: Manifest | None) -> str | None:
    """Return the first input that has been replaced or removed; None if all are unchanged.

    Args:
        manifest: The data set's manifest.
        inputs: The input's name in that manifest to its current manifest.
    """
    for name, current in inputs.items():
        if current is None or manifest.inputs.get(name) != current.id:
            return name
    return None


def require_current(path: str, manifest: Manifest, **inputs: Manifest) -> None:
    """Raise a DataError if an input of a data set has been replaced since.

    Args:
        path: The data set, for the message.
        manifest: The data set's manifest.
        inputs: As for `find_outdated`.
    """
    name = find_outdated(manifest, **inputs)
    if name is not None:
        raise DataError(
            describe(
                path,
                found=f"a data set made from an earlier {name} ({manifest.inputs.get(name)})",
                expected=f"one made from the current {name} ({inputs[name].id})",
                remedy=f"Run jobs/{manifest.stage}.py with the same --config again.",
            )
        )
