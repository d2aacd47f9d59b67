"""The packages that draw pages. Other jobs do not need them."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from recspark.errors import EnvironmentProblem, describe

PACKAGES = ("matplotlib", "jinja2")


def require_packages(stage: str, packages: Sequence[str] = PACKAGES, extra: str = "report") -> None:
    """Raise an EnvironmentProblem that says what to install if a package is missing.

    Args:
        stage: The stage that needs them, for the message.
        packages: Their names.
        extra: The extra that installs them.
    """
    missing = find_missing(packages)
    if missing:
        raise EnvironmentProblem(
            describe(
                stage,
                found=f"no package {', '.join(missing)}",
                expected=", ".join(packages),
                remedy=f"Run pip install 'recspark[{extra}]'.",
            )
        )


def find_missing(packages: Sequence[str] = PACKAGES) -> list[str]:
    """Return the packages that cannot be imported."""
    missing = []
    for name in packages:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            missing.append(name)
    return missing
