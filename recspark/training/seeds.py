"""A separate seed for every random choice, derived from the run's seed and the choice's purpose."""

from __future__ import annotations

import hashlib

import torch


def make_generator(seed: int, *purpose: str | int) -> torch.Generator:
    """Return a CPU generator that depends on the seed and the purpose alone.

    Args:
        seed: The run's seed.
        *purpose: What is drawn, e.g. `"order", epoch, bucket`.
    """
    text = "/".join(str(part) for part in (seed, *purpose))
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)


def seed_everything(seed: int, *purpose: str | int) -> None:
    """Seed torch's own generators, which dropout draws from, for one purpose.

    A resumed run gets the same seeds as an uninterrupted one, so no generator's state is saved.
    """
    number = make_generator(seed, *purpose).initial_seed()
    # torch.manual_seed would also record a stack trace for devices that are not in use yet, which
    # takes longer than a small step.
    torch.default_generator.manual_seed(number)
    if torch.cuda.is_available():
        torch.cuda.manual_seed_all(number)
