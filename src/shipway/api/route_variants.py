"""Which backends of a Gateway API route are variants of a running Experiment: a record that stands on the route itself.

A Rollout adds them and takes them away again, and an Experiment may be gone (with everything that names its Services) before
that is done. So their names are written in the same patch as the references: whoever looks at a route knows what is not the
user's in it, whatever was lost meanwhile.
"""

from collections.abc import Mapping, Sequence

import msgspec
import orjson

from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of

VARIANTS = "shipway.dev/variants"
"""The annotation: JSON, Services of variants by Rollout (`<namespace>/<name>`); a route may carry several Rollouts."""


def read_variants(route: Obj) -> dict[str, tuple[str, ...]]:
    """The record; empty where it cannot be read (somebody else's hand)."""
    text = annotations_of(route).get(VARIANTS)
    try:
        return msgspec.json.decode(text, type=dict[str, tuple[str, ...]]) if text else {}
    except msgspec.DecodeError:
        return {}


def variants_text(record: Mapping[str, Sequence[str]]) -> str:
    """The record as it is written."""
    return orjson.dumps({key: list(names) for key, names in record.items()}, option=orjson.OPT_SORT_KEYS).decode()
