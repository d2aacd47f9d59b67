from __future__ import annotations

import pytest
import torch

from recspark.config import TrainConfig
from recspark.models.registry import find_architecture
from recspark.models.spec import ModelSpec
from recspark.models.target import Target
from recspark.training.precision import is_bf16

CPU = torch.device("cpu")


def decide(precision: str, *, layers: tuple[str, ...], rows: int) -> bool:
    target = Target(kind="centered", mean=3.0)
    spec = ModelSpec(num_movies=3, target=target, embedding_size=256, layers=layers)
    model = find_architecture("embedding_mlp").build(spec, torch.Generator())
    settings = TrainConfig(precision=precision, batch_size=rows)  # type: ignore[arg-type]
    return is_bf16(model, settings, CPU)


@pytest.mark.parametrize(
    ("features", "expected"),
    [({"avx512_bf16": True}, True), ({"amx_bf16": True}, True), ({"avx2": True}, False)],
)
def test_auto_asks_what_the_processor_has(
    features: dict[str, bool], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features)
    assert decide("auto", layers=("dense 512",), rows=65_536) == expected
    assert not decide("auto", layers=("dense 32",), rows=65_536)
    assert not decide("auto", layers=(), rows=65_536)
    assert not decide("auto", layers=("dense 512",), rows=64)
    assert decide("bf16", layers=("dense 32",), rows=64)
    assert not decide("fp32", layers=("dense 512",), rows=65_536)
    assert not decide("tf32", layers=("dense 512",), rows=65_536)
