"""The data sets in a run directory, and which of them belong together."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from recspark.contract.paths import RunPaths
from recspark.datasets.lineage import find_outdated
from recspark.datasets.manifest import Manifest, read_manifest
from recspark.files import storage
from recspark.redact import redact_values

# The deepest data set is scored_pairs/<file>/<name>.
_DEPTH = 3


@dataclass(frozen=True)
class Inventory:
    """The manifests of a run directory without credentials.

    Attributes:
        paths: The paths of the run.
        manifests: Manifests by their path below the run directory, e.g. `models/als`.
    """

    paths: RunPaths
    manifests: dict[str, Manifest]

    def get(self, name: str) -> Manifest | None:
        """Return the manifest of `train`, `models/als` and so on, or None if it does not exist."""
        return self.manifests.get(name)

    def models(self) -> dict[str, Manifest]:
        """Return the models that were fitted on the current train, by name."""
        train = self.get("train")
        found = {
            posixpath.basename(path): manifest
            for path, manifest in self.manifests.items()
            if path.startswith("models/")
        }
        return {
            name: manifest
            for name, manifest in sorted(found.items())
            if find_outdated(manifest, train=train) is None
        }

    def made_by(self, model: str, kind: str) -> Manifest | None:
        """Return the manifest of `<kind>/<model>` if it was made with the current model.

        Args:
            model: Name of a model.
            kind: `predictions` or `recommendations`.
        """
        fitted, made = self.models().get(model), self.get(f"{kind}/{model}")
        if made is None or find_outdated(made, model=fitted):
            return None
        return made

    def outdated(self) -> list[str]:
        """Return the paths of data sets whose inputs have been replaced since."""
        current, train = self.models(), self.get("train")
        found = []
        for path, manifest in self.manifests.items():
            kind, _, name = path.partition("/")
            model = current.get(posixpath.basename(name))
            is_old_model = kind == "models" and name not in current and train is not None
            is_old_result = "model" in manifest.inputs and find_outdated(manifest, model=model)
            if is_old_model or is_old_result:
                found.append(path)
        return found


def take_inventory(root: str) -> Inventory:
    """Return the inventory of a run directory without the report itself.

    Raises:
        DataError: A manifest cannot be read.
    """
    found = {name: manifest for name, manifest in _search(root, "", _DEPTH) if name != "report"}
    return Inventory(RunPaths(root), found)


def _search(folder: str, name: str, depth: int) -> Iterator[tuple[str, Manifest]]:
    for path in storage.list_folders(folder):
        part = posixpath.basename(path)
        if part.startswith((".", "_")):
            continue
        manifest = read_manifest(path)
        if manifest is not None:
            yield name + part, Manifest(**redact_values(asdict(manifest)))
        elif depth > 1:
            yield from _search(path, f"{name}{part}/", depth - 1)
