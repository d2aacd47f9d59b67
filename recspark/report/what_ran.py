"""The chapter on what ran: stages with seconds and memory, settings, inputs, versions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from recspark.datasets.manifest import Manifest
from recspark.page.panel import Panel
from recspark.page.tables import Column, Table, clip, make_table, plain, whole
from recspark.report.chapter import Chapter
from recspark.report.inventory import Inventory
from recspark.report.plots import draw_seconds

MOST_FILES = 20

_STAGE = Column("stage", "Stage", plain, is_text=True)
_SECONDS = Column("seconds", "Seconds", lambda value: f"{value:,.1f}")
_FINISHED = Column("finished", "Finished (UTC)", lambda value: minute(value))


def list_steps(inventory: Inventory) -> list[dict[str, Any]]:
    """Return one record per run of a stage, with everything that it published, oldest first."""
    together: dict[tuple[str, str], dict[str, Manifest]] = {}
    for path, manifest in inventory.manifests.items():
        together.setdefault((manifest.stage, manifest.run), {})[path] = manifest
    steps = [
        {
            "stage": stage,
            "outputs": ", ".join(sorted(made)),
            "rows": sum(manifest.num_rows for manifest in made.values()),
            "seconds": max(manifest.seconds for manifest in made.values()),
            "peak_memory_bytes": max(manifest.peak_memory_bytes for manifest in made.values()),
            "finished": max(manifest.created_at for manifest in made.values()),
            "settings": next(iter(made.values())).settings,
        }
        for (stage, _), made in together.items()
    ]
    return sorted(steps, key=lambda step: (step["finished"], step["stage"], step["outputs"]))


def sum_stages(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one record per stage, in the order in which the stages first ended."""
    stages: dict[str, dict[str, Any]] = {}
    for step in steps:
        one = stages.setdefault(
            step["stage"],
            {"stage": step["stage"], "runs": 0, "seconds": 0.0, "peak_memory_bytes": 0},
        )
        one["runs"] += 1
        one["seconds"] += step["seconds"]
        one["peak_memory_bytes"] = max(one["peak_memory_bytes"], step["peak_memory_bytes"])
        one["finished"] = step["finished"]
    return list(stages.values())


def make_what_ran(inventory: Inventory) -> Chapter:
    """Return the chapter, which is made from manifests alone."""
    steps = list_steps(inventory)
    stages = sum_stages(steps)
    outdated = inventory.outdated()
    text = ""
    if outdated:
        text = (
            "Outdated, because their inputs have been replaced since, and left out of this report "
            f"where it matters: {', '.join(outdated)}."
        )
    return Chapter(
        "ran",
        "What ran",
        text,
        panels=[
            _stages(inventory, steps, stages),
            _settings(steps),
            _inputs(inventory),
            _versions(inventory),
        ],
    )


def minute(moment: str) -> str:
    """Return an ISO 8601 time without seconds: `2026-11-27 23:31`."""
    return moment[:16].replace("T", " ")


def gibibytes(value: float) -> str:
    """Return bytes as GiB."""
    return f"{value / 2**30:.2f}\N{NO-BREAK SPACE}GiB"


def _explain_memory(inventory: Inventory) -> str:
    others = sorted(
        path
        for path, manifest in inventory.manifests.items()
        if manifest.memory_measure != "proportional"
    )
    text = (
        "Peak memory is the largest sum of the proportional memory of driver, JVM and workers on "
        "the driver's machine; a page that processes share counts once."
    )
    if others:
        text += f" Not so for {', '.join(others)}: there it counts once for each process."
    return text


def _stages(
    inventory: Inventory, steps: list[dict[str, Any]], stages: list[dict[str, Any]]
) -> Panel:
    longest = max(stages, key=lambda stage: stage["seconds"])
    total = sum(stage["seconds"] for stage in stages)
    memory = Column("peak_memory_bytes", "Peak memory", gibibytes)
    return Panel(
        "stages",
        f"{total:,.1f} seconds in total, {longest['seconds']:,.1f} of them in {longest['stage']}",
        "Figures of what is in the run directory now, from the manifests, without this page. "
        f"{_explain_memory(inventory)} Every run was timed once, so there are no intervals.",
        [
            make_table(
                "Stages", stages, _STAGE, Column("runs", "Runs", whole), _SECONDS, memory, _FINISHED
            ),
            make_table(
                "Every run of a stage",
                steps,
                _STAGE,
                Column("outputs", "Wrote", plain, is_text=True),
                Column("rows", "Rows", lambda value: whole(value) if value else "–"),
                _SECONDS,
                memory,
                _FINISHED,
            ),
        ],
        draw_seconds(stages),
        is_open=True,
    )


def _settings(steps: list[dict[str, Any]]) -> Panel:
    return Panel(
        "settings",
        "Settings",
        "The settings that affect each output, from its manifest.",
        [
            Table(
                f"{step['stage']} → {step['outputs']}",
                (
                    Column("", "Setting", plain, is_text=True),
                    Column("", "Value", plain, is_text=True),
                ),
                [[name, value] for name, value in flatten(step["settings"])],
            )
            for step in steps
            if step["settings"]
        ],
        is_open=False,
        fold_title="Settings of every run of a stage",
    )


def flatten(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return (dotted name, value) of nested settings. Values are JSON, but strings are unquoted."""
    found = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found += flatten(value, f"{prefix}{name}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            found.append((prefix + name, clip(text)))
    return found


def _inputs(inventory: Inventory) -> Panel:
    files = list_files(inventory.manifests.values())
    total = sum(int(row["size"]) for row in files)
    return Panel(
        "inputs",
        f"Raw files: {whole(len(files))}, {whole(total)} bytes",
        "Sizes are those at the time of reading"
        + (f"; the first {MOST_FILES} files by name." if len(files) > MOST_FILES else "."),
        [
            make_table(
                "Files",
                files[:MOST_FILES],
                Column("file", "File", plain, is_text=True),
                Column("size", "Bytes", whole),
            )
        ],
    )


def list_files(manifests: Iterable[Manifest]) -> list[dict[str, Any]]:
    """Return `file` and `size` (bytes) of the raw files in these manifests, sorted by name."""
    sizes = {file["path"]: file["size"] for manifest in manifests for file in manifest.raw_files}
    return [{"file": name, "size": size} for name, size in sorted(sizes.items())]


def _versions(inventory: Inventory) -> Panel:
    newest = max(inventory.manifests.values(), key=lambda manifest: manifest.created_at).versions
    rows = []
    for package, version in newest.items():
        others = sorted(
            {
                f"{path} with {manifest.versions[package]}"
                for path, manifest in inventory.manifests.items()
                if manifest.versions.get(package, version) != version
            }
        )
        rows.append({"package": package, "version": version, "others": ", ".join(others) or "–"})
    return Panel(
        "versions",
        "Versions",
        "Versions that made the newest data set, and data sets that other versions made.",
        [
            make_table(
                "Packages",
                rows,
                Column("package", "Package", plain, is_text=True),
                Column("version", "Version", plain, is_text=True),
                Column("others", "Other versions", plain, is_text=True),
            )
        ],
    )
