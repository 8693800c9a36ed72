"""Random identifiers are seeded in simulations; derived ones depend on their parts and nothing else."""

import random
import uuid

from shipway.base.ids import SAFE_ALPHABET, RandomIds, derived_suffix, digest


def test_the_same_seed_gives_the_same_identifiers() -> None:
    one, two = (RandomIds(random.Random(7)) for _ in range(2))
    assert [one.uid() for _ in range(3)] == [two.uid() for _ in range(3)]
    assert one.suffix() == two.suffix()


def test_uids_are_version_4_and_differ() -> None:
    ids = RandomIds()
    made = {ids.uid() for _ in range(100)}
    assert len(made) == 100
    assert all(uuid.UUID(uid).version == 4 and str(uuid.UUID(uid)) == uid for uid in made)


def test_suffixes_use_the_safe_alphabet() -> None:
    ids = RandomIds()
    assert len(ids.suffix()) == 5
    assert set(ids.suffix(2000)) == set(SAFE_ALPHABET)


def test_known_values_never_change() -> None:
    assert digest("ab", "c") == "601d5476e2ccfe2c"
    assert derived_suffix("default", "web") == "q64x9nh8fz"
