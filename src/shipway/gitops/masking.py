"""Secrets without their values, masked as by Argo CD's controller: equal values of one key get equal masks, others longer ones.

So whoever compares two states of a Secret sees which keys differ, and nothing that a value could be guessed from.
"""

import base64
from collections.abc import Collection, Sequence
from typing import Any

import orjson

from shipway.kube.objects.client_side import LAST_APPLIED
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, copy_obj, metadata

MASK = "+" * 8
LONGER = "+" * 4


def masked(states: Sequence[Obj | None], annotations: Collection[str] = ()) -> tuple[Obj | None, ...]:
    """Several states of one Secret, masked together; the copy that `kubectl apply` keeps in an annotation is one more."""
    copies = [_with_data(state) if state is not None else None for state in states]
    kept = [_last_applied(copy) if copy is not None else None for copy in copies]
    everything = [one for one in (*copies, *kept) if one is not None]
    _hide([one["data"] for one in everything if "data" in one], None)
    _hide([annotations_of(one) for one in everything], annotations)
    for copy, last_applied in zip(copies, kept, strict=True):
        if copy is not None and LAST_APPLIED in annotations_of(copy):
            is_hidden = last_applied is None or LAST_APPLIED in annotations
            copy["metadata"]["annotations"][LAST_APPLIED] = MASK if is_hidden else orjson.dumps(last_applied).decode()
    return tuple(copies)


def is_secret(group: str, kind: str) -> bool:
    return (group, kind) == ("", "Secret")


def _with_data(secret: Obj) -> Obj:
    """A copy that says everything in `data`; what is no map there is none, since nobody knows what it says."""
    copy = copy_obj(secret)
    told, plain = copy.get("data"), copy.pop("stringData", None)
    data: dict[str, Any] = dict(told) if isinstance(told, dict) else {}
    for key, value in (plain if isinstance(plain, dict) else {}).items():
        data[key] = base64.b64encode(value.encode()).decode() if isinstance(value, str) else value
    if data:
        copy["data"] = {key: "" if value is None else value for key, value in data.items()}
    else:
        copy.pop("data", None)
    return copy


def _last_applied(secret: Obj) -> Obj | None:
    """The copy in the annotation; None where there is none that can be read."""
    text = annotations_of(secret).get(LAST_APPLIED)
    try:
        found = orjson.loads(text) if text else None
    except orjson.JSONDecodeError:
        return None
    if not isinstance(found, dict):
        return None
    copy = _with_data(found)
    return copy if LAST_APPLIED not in (metadata(copy).get("annotations") or {}) else None


def _hide(maps: Sequence[dict[str, Any]], keys: Collection[str] | None) -> None:
    """In place; None: every key."""
    for key in dict.fromkeys(key for one in maps for key in one) if keys is None else keys:
        masks: dict[str, str] = {}
        for one in maps:
            if key in one:
                value = one[key] if isinstance(one[key], str) else repr(one[key])
                one[key] = masks.setdefault(value, MASK + LONGER * len(masks))
