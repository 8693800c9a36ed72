"""Identifiers: random ones where Kubernetes wants randomness, derived ones everywhere else.

A name that we invent is a hash of what it stands for. A second pass over the same facts then asks for the same name, so a
stale cache or a crash cannot create a thing twice.
"""

import hashlib
import random
import uuid
from typing import Protocol

SAFE_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Kubernetes' alphabet for generated suffixes: no vowels, nothing that looks like something else."""


class Ids(Protocol):
    """Where random identifiers come from; seeded in simulations."""

    def uid(self) -> str: ...

    def suffix(self, length: int = 5) -> str: ...


class RandomIds:
    """Identifiers from a generator: `random.SystemRandom` in production, a seeded one in simulations."""

    def __init__(self, rng: random.Random | None = None) -> None:
        self._rng = rng or random.SystemRandom()

    def uid(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def suffix(self, length: int = 5) -> str:
        return "".join(self._rng.choices(SAFE_ALPHABET, k=length))


def digest(*parts: str | bytes, length: int = 16) -> str:
    """Hex digest over `parts`; the boundaries between the parts count, so ("ab", "c") differs from ("a", "bc")."""
    state = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        state.update(len(raw).to_bytes(8, "big"))
        state.update(raw)
    return state.hexdigest()[:length]


def derived_suffix(*parts: str, length: int = 10) -> str:
    """A name suffix in Kubernetes' safe alphabet that is the same for the same `parts`."""
    number = int(digest(*parts, length=32), 16)
    letters: list[str] = []
    for _ in range(length):
        number, index = divmod(number, len(SAFE_ALPHABET))
        letters.append(SAFE_ALPHABET[index])
    return "".join(letters)
