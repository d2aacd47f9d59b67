"""The --help of a job: the general settings and those of its own sections."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from recspark import __version__
from recspark.config import Config
from recspark.config.fields import list_sections, list_settings
from recspark.config.load import build_parser

# General settings that only one job reads.
_OF_ONE_JOB = ("until",)


def format_help(prog: str, description: str, sections: Sequence[str] | None) -> str:
    """Return the help text of a job.

    Args:
        prog: The command, e.g. `recspark ingest`.
        description: What it does.
        sections: The sections of settings to show, and general settings that only this job reads;
            None shows all.
    """
    parser = build_parser(prog, Config)
    parser.add_argument(
        "--version", action="version", version=__version__, help="Show the version of recspark."
    )
    parser.usage = f"{prog} --config FILE [--setting value ...]"
    parser.description = description
    parser.epilog = "Later ones win: defaults, model preset, --config files, command line."
    if sections is not None:
        parser.epilog += f" `{prog} --help all` shows the settings of all jobs."
    all_sections, flags = list_sections(Config), list_settings(Config)
    for action in parser._actions:
        if action.dest in all_sections or not _is_shown(action.dest, sections):
            action.help = argparse.SUPPRESS
        elif action.dest == "help":
            action.help = "Show this help; --help all shows the settings of all jobs."
        elif action.dest in flags and flags[action.dest].is_flag:
            action.metavar = "[true|false]"
    for group in parser._action_groups:
        if any(action.dest == "name" for action in group._group_actions):
            group.title = "General settings"
    parser._action_groups = [
        group
        for group in parser._action_groups
        if any(action.help != argparse.SUPPRESS for action in group._group_actions)
    ]
    return str(parser.format_help())


def _is_shown(path: str, sections: Sequence[str] | None) -> bool:
    if sections is None:
        return True
    top = path.partition(".")[0]
    if top in list_sections(Config) or top in _OF_ONE_JOB:
        return top in sections
    return True
