"""What has been told, remembered on the object itself: whoever is killed tells nothing twice that he has written down.

`notified.notifications.argoproj.io` is as Argo's notifications write it: `[oncePer:]trigger:[entry].hash:service:recipient` and
the time. What is due and not yet delivered stands in an annotation of our own before it is asked for.
"""

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha1

import msgspec
import orjson

from shipway.api.notifications import NOTIFIED, NOTIFYING
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of
from shipway.notifications.asks import Pending
from shipway.notifications.subscriptions import Subscription

MOST_TOLD = 100
"""Entries that are kept, the newest."""
Told = Mapping[str, int]


def read_told(obj: Obj) -> Told:
    """Seconds by key; an annotation that somebody spoilt says nothing."""
    try:
        return msgspec.json.decode(annotations_of(obj).get(NOTIFIED) or "{}", type=dict[str, int])
    except msgspec.DecodeError:
        return {}


def read_pending(obj: Obj) -> tuple[Pending, ...]:
    try:
        return msgspec.json.decode(annotations_of(obj).get(NOTIFYING) or "[]", type=tuple[Pending, ...])
    except msgspec.DecodeError:
        return ()


def changed_annotations(obj: Obj, told: Told, pending: Iterable[Pending]) -> Obj:
    """The patch of the annotations; {} where they say it already."""
    kept = dict(sorted(told.items(), key=lambda item: item[1])[-MOST_TOLD:])
    pending = tuple(pending)
    patch: Obj = {}
    if kept != dict(read_told(obj)):
        patch[NOTIFIED] = orjson.dumps(kept).decode() if kept else None
    if pending != read_pending(obj):
        patch[NOTIFYING] = msgspec.json.encode(pending).decode() if pending else None
    return patch


def place_of(subscription: Subscription, entry: int, when: str) -> str:
    """The key but for what makes it another time."""
    hashed = urlsafe_b64encode(sha1(when.encode(), usedforsecurity=False).digest()).decode()
    return f"{subscription.trigger}:[{entry}].{hashed}:{subscription.service}:{subscription.recipient}"


def key_of(once_per: str, place: str) -> str:
    return f"{once_per}:{place}" if once_per else place


def is_of(key: str, place: str) -> bool:
    return key == place or key.endswith(f":{place}")
