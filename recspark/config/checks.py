"""Checks that the settings dataclasses run on their own values."""

from __future__ import annotations

from datetime import date

from recspark.errors import ConfigError, describe


def require(holds: bool, where: str, found: object, expected: str) -> None:
    """Raise a ConfigError about the field `where` unless the condition holds."""
    if not holds:
        raise ConfigError(
            describe(where, found=found, expected=expected, remedy=f"Change {where} in the config.")
        )


def require_share(where: str, value: float) -> None:
    """Require a share of at least 0 and below 1."""
    require(0 <= value < 1, where, value, "a share of at least 0 and below 1")


def is_date(text: str) -> bool:
    """Return whether the text is a date written YYYY-MM-DD."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
