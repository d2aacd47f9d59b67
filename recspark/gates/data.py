"""The data gate: enough ratings, few rejects, and a rating mean that has not moved."""

from __future__ import annotations

from recspark.config import GateConfig
from recspark.gates.accepted import Figures


def find_data_faults(found: Figures, accepted: Figures | None, settings: GateConfig) -> list[str]:
    """Return why a run's data must not be used, one clause per reason; empty means pass.

    Args:
        found: The run's figures.
        accepted: Those of the last accepted run; None for the first run, which is checked against
            the absolute limits only.
        settings: The limits.
    """
    faults = []
    if found.reject_fraction > settings.max_reject_fraction:
        faults.append(
            f"{found.num_rejects:,} of {found.num_lines:,} lines refused "
            f"({found.reject_fraction:.2%}; gate.max_reject_fraction "
            f"{settings.max_reject_fraction:.2%})"
        )
    if found.num_ratings < settings.min_ratings:
        faults.append(f"{found.num_ratings:,} ratings (gate.min_ratings {settings.min_ratings:,})")
    if accepted is None:
        return faults
    fewer = 1 - found.num_ratings / max(accepted.num_ratings, 1)
    if fewer > settings.max_fewer_ratings:
        faults.append(
            f"{found.num_ratings:,} ratings where the accepted run had {accepted.num_ratings:,} "
            f"({fewer:.1%} fewer; gate.max_fewer_ratings {settings.max_fewer_ratings:.1%})"
        )
    drift = found.rating_mean - accepted.rating_mean
    if not abs(drift) <= settings.max_mean_drift:  # a mean that is NaN does not pass
        faults.append(
            f"mean rating {found.rating_mean:.4f} where the accepted run had "
            f"{accepted.rating_mean:.4f} (gate.max_mean_drift {settings.max_mean_drift:g})"
        )
    return faults
