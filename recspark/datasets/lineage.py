"""Whether what lies in a run directory was made from what lies there now."""

from __future__ import annotations

from recspark.datasets.manifest import Manifest
from recspark.errors import DataError, describe


def find_outdated(manifest: Manifest, **inputs: Manifest | None) -> str | None:
    """Return the first input that is not the one a data set was made from; None where all are.

    Args:
        manifest: Of the data set.
        inputs: The input's name in the manifest to what is there now.
    """
    for name, current in inputs.items():
        if current is None or manifest.inputs.get(name) != current.id:
            return name
    return None


def require_current(path: str, manifest: Manifest, **inputs: Manifest) -> None:
    """Raise a DataError where a data set was made from something that has been made anew since.

    Args:
        path: The data set, for the message.
        manifest: Of the data set.
        inputs: As for `find_outdated`.
    """
    name = find_outdated(manifest, **inputs)
    if name is not None:
        raise DataError(
            describe(
                path,
                found=f"what was made from an earlier {name} ({manifest.inputs.get(name)})",
                expected=f"what was made from the {name} that is there now ({inputs[name].id})",
                remedy=f"Run jobs/{manifest.stage}.py with the same --config again.",
            )
        )
