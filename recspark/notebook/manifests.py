"""What the API asks of a data set before it shows it: finished, and made of what is there now."""

from __future__ import annotations

from recspark.datasets.manifest import Manifest, read_manifest
from recspark.errors import DataError, describe


def require_finished(path: str, job: str, options: str = "") -> Manifest:
    """Return the manifest of a data set; a DataError names the job to run where there is none.

    Args:
        path: The data set.
        job: The job that makes it.
        options: What the job has to be told, beside the config.
    """
    manifest = read_manifest(path)
    if manifest is None:
        raise DataError(
            describe(
                path,
                found="no finished data set",
                expected=f"what jobs/{job}.py writes there",
                remedy=f"Run jobs/{job}.py with the run's config{options} first.",
            )
        )
    return manifest


def require_current(path: str, manifest: Manifest, job: str, **inputs: Manifest) -> None:
    """Raise a DataError where a data set was made of other inputs than the run now holds.

    Args:
        path: The data set.
        manifest: Its manifest.
        job: The job that makes it.
        inputs: Name of an input to the manifest that it has now.
    """
    for name, current in inputs.items():
        if manifest.inputs.get(name) != current.id:
            raise DataError(
                describe(
                    path,
                    found=f"a data set made of {name} {manifest.inputs.get(name)}",
                    expected=f"one of the {name} that is there now, {current.id}",
                    remedy=f"Run jobs/{job}.py with the run's config again.",
                )
            )
