"""What lies in a run directory, and which of it belongs together."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from recspark.contract.paths import RunPaths
from recspark.datasets.lineage import find_outdated
from recspark.datasets.manifest import Manifest, read_manifest
from recspark.files import storage
from recspark.redact import redact_values

# scored_pairs/<file>/<name> lies deepest.
_DEPTH = 3


@dataclass(frozen=True)
class Inventory:
    """The manifests of a run directory, credentials taken out.

    Attributes:
        paths: Where things are.
        manifests: Path below the run directory, as `models/als`, to manifest.
    """

    paths: RunPaths
    manifests: dict[str, Manifest]

    def get(self, name: str) -> Manifest | None:
        """Return the manifest of `train`, `models/als` and so on, None where it is not there."""
        return self.manifests.get(name)

    def models(self) -> dict[str, Manifest]:
        """Return the models of the train that is there now, by name."""
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
        """Return the manifest of `<kind>/<model>` if it was made with the model that is there now.

        Args:
            model: Name of a model.
            kind: `predictions` or `recommendations`.
        """
        fitted, made = self.models().get(model), self.get(f"{kind}/{model}")
        if made is None or find_outdated(made, model=fitted):
            return None
        return made

    def outdated(self) -> list[str]:
        """Return what was made from something that has been made anew since, as paths."""
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
    """Return what lies in a run directory; the report itself is left out.

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
