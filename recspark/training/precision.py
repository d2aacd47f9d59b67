"""Which arithmetic `train.precision` means on a device."""

from __future__ import annotations

import torch
from torch import nn

from recspark.config import TrainConfig
from recspark.models.rating_model import RatingModel

# auto uses bf16 from so many inputs and outputs of a dense layer on, and so many rows a step:
# below, converting costs more than the products save.
MIN_WIDTH = 128
MIN_ROWS = 1024


def is_bf16(model: RatingModel, settings: TrainConfig, device: torch.device) -> bool:
    """Return whether dense layers compute in bfloat16; weights and sums stay in float32."""
    if settings.precision != "auto":
        return settings.precision == "bf16"
    widths = [
        min(layer.in_features, layer.out_features)
        for layer in model.modules()
        if isinstance(layer, nn.Linear)
    ]
    is_worth_it = max(widths, default=0) >= MIN_WIDTH and settings.batch_size >= MIN_ROWS
    return is_worth_it and _has_bf16(device)


def set_precision(settings: TrainConfig, device: torch.device) -> None:
    """Let float32 products of this process round to TF32 on a GPU, or not."""
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high" if settings.precision == "tf32" else "highest")


def _has_bf16(device: torch.device) -> bool:
    """Return whether the device multiplies bfloat16 matrices faster than float32 ones."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    features = torch.cpu.get_capabilities()
    return bool(features.get("avx512_bf16") or features.get("amx_bf16"))
