"""What is said of an import that is not there."""

import random

import pytest

from shipway.adapters.render.jsonnet import objects_of
from shipway.base.errors import InvalidInput

JOB = {"folders": ["app"], "imports": {}, "ext": [], "tla": []}


def test_a_missing_import_is_named_and_nothing_of_the_memory_around_it():
    """The binding reads past the end of what a callback raises: into whatever lay there before."""
    chance = random.Random(5)
    for length in range(1, 400):
        litter = [chance.randbytes(chance.randrange(8, 200)) for _ in range(20)]
        wanted = "g" * (length % 70) + "one.libsonnet"
        del litter
        with pytest.raises(InvalidInput) as caught:
            objects_of("app/z.jsonnet", f"import '{wanted}'", JOB)
        assert str(caught.value).endswith(
            f"there is no {wanted} beside it, in the source's folder or in "
            "spec.source.directory.jsonnet.libs: add it or correct the import"
        )
