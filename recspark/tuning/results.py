"""What a search leaves in text: the best settings as YAML, a table of trials, a command."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import yaml

from recspark.config import Config
from recspark.config.words import normalise
from recspark.tuning.trials import RMSE, Trial, sort_by_rmse

MOST_LINES = 10
# Settings of the search, not of the model.
_OF_SEARCH = ("models", "force", "until")


def write_yaml(model_name: str, best: Trial, num_trials: int, figure: str = RMSE) -> str:
    """Return the searched settings of the best trial as the text of a --config file."""
    nested: dict[str, Any] = {}
    for path, value in best.settings.items():
        *sections, name = path.split(".")
        at = nested
        for section in sections:
            at = at.setdefault(section, {})
        at[name] = list(value) if isinstance(value, tuple) else value
    head = [
        f"# The best of {num_trials} trials of {model_name}: {figure} {best.rmse:.4f} on valid, "
        f"trial {best.number}.",
        f"# Give it as a further --config when {model_name} alone is fitted, or copy the values",
        f"# into models/{model_name}.yaml.",
    ]
    return "\n".join([*head, yaml.safe_dump(nested, sort_keys=False)])


def render_trials(trials: Sequence[Trial], figure: str = RMSE) -> str:
    """Return the best trials as plain text: a header, a rule, one line a trial, a note."""
    shown = sort_by_rmse(trials)[:MOST_LINES]
    names = list(shown[0].settings)
    header = (
        "trial",
        f"valid {figure}",
        "",
        "epochs",
        "seconds",
        *(short_name(name) for name in names),
    )
    rows = [header]
    for one in shown:
        values = (show_value(one.settings[name]) for name in names)
        state = "" if one.state == "finished" else one.state
        rmse = "–" if one.rmse is None else f"{one.rmse:.4f}"
        rows.append(
            (str(one.number), rmse, state, str(len(one.curve)), f"{one.seconds:.1f}", *values)
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    lines.insert(1, "-" * len(lines[0]))
    counts = {state: sum(one.state == state for one in trials) for state in ("pruned", "failed")}
    told = "".join(f", {count} {state}" for state, count in counts.items() if count)
    return "\n".join([*lines, f"{len(trials)} trials{told}"])


def name_next_command(
    words: Sequence[str], job: str, model_name: str, searched: Collection[str], best: str
) -> str:
    """Return the command that fits the model with the best settings.

    Args:
        words: The settings of the search as on its command line.
        job: The job that fits the model.
        model_name: Name of the preset.
        searched: The settings that the best trial decides.
        best: Its YAML file.
    """
    kept: list[str] = []
    left = normalise(words, Config)
    while left:
        word = left.pop(0)
        option = [word] if "=" in word or not left else [word, left.pop(0)]
        name = word.removeprefix("--").partition("=")[0]
        if not (name in _OF_SEARCH or name in searched or name.startswith("tune.")):
            kept += option
    return shlex.join(["recspark", job, *kept, "--config", best, "--models", model_name])


def short_name(path: str) -> str:
    """Return a setting's name without its sections."""
    return path.rpartition(".")[2]


def show_value(value: Any) -> str:
    """Return a value as text: numbers with three digits, lists with commas."""
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value)


def describe_trial(model_name: str, trial: Trial, best: Trial | None, figure: str = RMSE) -> str:
    """Return the log line of a trial."""
    settings = ", ".join(
        f"{short_name(name)} {show_value(value)}" for name, value in trial.settings.items()
    )
    rmse = f"no {figure}" if trial.rmse is None else f"valid {figure} {trial.rmse:.4f}"
    state = "" if trial.state == "finished" else f" {trial.state},"
    epochs = f"{len(trial.curve)} epochs, " if trial.curve else ""
    lead = f" (best {best.rmse:.4f}, trial {best.number})" if best else ""
    why = f": {trial.error}" if trial.error else ""
    return (
        f"tune: {model_name} trial {trial.number}:{state} {rmse}{lead}, {epochs}"
        f"{trial.seconds:.1f} s, {settings}{why}"
    )


def nest(space: Mapping[str, Any]) -> dict[str, Any]:
    """Return ranges as JSON values, for the manifest."""
    return {name: vars(found) for name, found in space.items()}
