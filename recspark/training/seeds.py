"""One seed for every random choice, from the run's seed and what the choice is for."""

from __future__ import annotations

import hashlib

import torch


def make_generator(seed: int, *purpose: str | int) -> torch.Generator:
    """Return a CPU generator that depends on the seed and the purpose, and on nothing else.

    Args:
        seed: The run's seed.
        *purpose: What is drawn, e.g. `"order", epoch, bucket`.
    """
    text = "/".join(str(part) for part in (seed, *purpose))
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)


def seed_everything(seed: int, *purpose: str | int) -> None:
    """Seed torch's own generators, which dropout draws from, for one purpose.

    The same after a resumed start as in an undisturbed run, so no generator's state is saved.
    """
    number = make_generator(seed, *purpose).initial_seed()
    # torch.manual_seed would also note a stack trace for devices that are not in use yet, which
    # takes longer than a small step.
    torch.default_generator.manual_seed(number)
    if torch.cuda.is_available():
        torch.cuda.manual_seed_all(number)
