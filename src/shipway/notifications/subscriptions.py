"""Who wants to be told: the annotations of an object, and the subscriptions that the ConfigMap makes for all.

notifications.argoproj.io/subscribe.<trigger>.<service>: recipient;recipient
notifications.argoproj.io/subscribe.<service>: recipient          (the default triggers)
notifications.argoproj.io/subscriptions: [{trigger: […], destinations: [{service: …, recipients: […]}]}]
"""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from shipway.base.errors import InvalidInput
from shipway.kube.objects import yaml
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, labels_of
from shipway.notifications.settings import NotificationSettings

PREFIX = "notifications.argoproj.io/"
_ONE, _MANY = f"{PREFIX}subscribe.", f"{PREFIX}subscriptions"


class Subscription(Struct, frozen=True, order=True):
    trigger: str
    service: str
    recipient: str


class _Destination(Struct):
    service: str
    recipients: list[str] = []


class _Group(Struct):
    destinations: list[_Destination]
    trigger: list[str] = []


def subscriptions_of(obj: Obj, settings: NotificationSettings, *, also_on: Obj | None = None) -> tuple[Subscription, ...]:
    """Each once. What cannot be read as a subscription is none. `also_on`: another object whose annotations count for this one,
    too."""
    by_annotation = {one for annotated in (obj, also_on) if annotated for one in _of_annotations(annotated, settings)}
    return tuple(sorted({*by_annotation, *_of_all(obj, settings)}))


def subscribes(obj: Obj) -> bool:
    """Whether its annotations may. Cheap: most objects of most clusters do not."""
    return any(key.startswith(PREFIX) for key in annotations_of(obj))


def _of_annotations(obj: Obj, settings: NotificationSettings) -> Iterator[Subscription]:
    for key, value in annotations_of(obj).items():
        if key == _MANY:
            yield from _grouped(value, settings)
        elif key.startswith(_ONE):
            trigger, _, service = key.removeprefix(_ONE).rpartition(".")
            recipients = [one.strip() for one in value.split(";") if one.strip()] or [""]
            yield from _each([trigger] if trigger else [], service, recipients, settings)


def _grouped(text: str, settings: NotificationSettings) -> Iterator[Subscription]:
    try:
        groups = msgspec.convert(yaml.load(text) or [], list[_Group])
    except (InvalidInput, msgspec.ValidationError):
        return
    for group in groups:
        for destination in group.destinations:
            yield from _each(group.trigger, destination.service, destination.recipients or [""], settings)


def _of_all(obj: Obj, settings: NotificationSettings) -> Iterator[Subscription]:
    for subscription in settings.for_all:
        if subscription.selector.matches(labels_of(obj)):
            for service, recipient in subscription.recipients:
                yield from _each(list(subscription.triggers), service, [recipient], settings)


def _each(triggers: list[str], service: str, recipients: list[str], settings: NotificationSettings) -> Iterator[Subscription]:
    defaults = settings.default_triggers
    for trigger in triggers or defaults.get(service) or defaults.get("", ()):
        for recipient in recipients:
            yield Subscription(trigger, service, recipient)
