"""The packages that draw pages. Other jobs do not need them."""

from __future__ import annotations

import importlib

from recspark.errors import EnvironmentProblem, describe

PACKAGES = ("matplotlib", "jinja2")


def require_packages(stage: str) -> None:
    """Raise an EnvironmentProblem that says what to install if a package is missing."""
    missing = find_missing()
    if missing:
        raise EnvironmentProblem(
            describe(
                stage,
                found=f"no package {', '.join(missing)}",
                expected="the packages that draw the page",
                remedy="Run pip install 'recspark[report]'.",
            )
        )


def find_missing() -> list[str]:
    """Return the packages that cannot be imported."""
    missing = []
    for name in PACKAGES:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            missing.append(name)
    return missing
