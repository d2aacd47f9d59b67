"""The model gate: no worse than the accepted model by more than the margin."""

from __future__ import annotations

import math

from recspark.config import GateConfig
from recspark.gates.accepted import Accepted


def find_model_faults(
    rmse: float, protocol: str, accepted: Accepted | None, settings: GateConfig
) -> list[str]:
    """Return why a model must not be promoted, one clause per reason; empty means pass.

    Args:
        rmse: RMSE of the model on the test of its run (rating units).
        protocol: What the RMSE was measured on.
        accepted: The accepted run; None where there is none yet.
        settings: The margin.
    """
    if not math.isfinite(rmse):
        return [f"RMSE {rmse}"]
    if accepted is None:
        return []
    if protocol != accepted.protocol:
        return [
            f"RMSE under “{protocol}”, which is not comparable with the accepted run's under "
            f"“{accepted.protocol}”"
        ]
    if rmse > accepted.rmse + settings.max_rmse_rise:
        return [
            f"RMSE {rmse:.4f} where the accepted {accepted.model} has {accepted.rmse:.4f} "
            f"(gate.max_rmse_rise {settings.max_rmse_rise:g})"
        ]
    return []
