"""What is due to be told about an object, and what has been.

    due       an occasion of a trigger that somebody subscribed to, or a `when` that has come true: remembered, then asked for
    told      its answer has come: delivered, or given up with an event that says why
    quiet     an occasion from before anybody subscribed: remembered as if told

A message is remembered before it is asked for and until its answer has been written, so it is delivered at least once whoever
dies in between, also when the object has moved on meanwhile.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from msgspec import Struct
from msgspec.structs import astuple

from shipway.api.notifications import Delivery, Words
from shipway.base.clock import Instant
from shipway.expression import ExpressionError, evaluate
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import name_of, namespace_of, resource_version_of, uid_of
from shipway.kube.runtime.decision import Answer, Change, Decision, Note, regarding
from shipway.notifications.asks import NotifyAsk, Pending
from shipway.notifications.occasions import Occasion, Occasions
from shipway.notifications.settings import Condition, NotificationSettings
from shipway.notifications.subscriptions import Subscription
from shipway.notifications.told import changed_annotations, is_of, key_of, place_of, read_pending, read_told

FRESH = 3600.0
"""Seconds after which an occasion is news only to those who were told of an earlier one."""


LOOK_AGAIN = 60.0
"""Seconds between two looks at what a trigger says of the time, as in Argo CD."""
_NOW = re.compile(r"\b(?:time\.Now|now)\s*\(")


class ObservedNews(Struct, frozen=True):
    """An object of `resource`, and what there is to tell of it. `names`: what expressions and templates may speak of.
    `answers`: by the key of the message."""

    resource: Resource
    obj: Obj
    words: Words
    settings: NotificationSettings
    subscriptions: tuple[Subscription, ...]
    names: Mapping[str, Any]
    occasions: Occasions = {}
    answers: Mapping[str, Answer] = {}


class _News(Struct):
    """What a pass finds, on top of what is remembered."""

    told: dict[str, int]
    due: dict[str, Pending]
    notes: list[Note]


def decide(seen: ObservedNews, now: Instant) -> Decision:
    """Pure."""
    obj = seen.obj
    news = _News(dict(read_told(obj)), {one.key: one for one in read_pending(obj)}, [])
    for message in list(news.due.values()):
        answer = seen.answers.get(message.key)
        if answer is not None and isinstance(answer.value, Delivery):
            _delivered(seen, news, message, answer.value, now)
    for subscription in seen.subscriptions:
        conditions = seen.settings.triggers.get(subscription.trigger)
        problem = _problem(seen, subscription, conditions)
        if problem:
            _complain(seen, news, subscription, problem, now)
            continue
        for entry, condition in enumerate(conditions or ()):
            _look(seen, news, subscription, entry, condition, now)
    patch = changed_annotations(obj, news.told, news.due.values())
    change = None
    if patch:
        root: Obj = {"metadata": {"annotations": patch}}
        change = Change(seen.resource, namespace_of(obj), name_of(obj), resource_version_of(obj), root)
    says = orjson.dumps(seen.names) if news.due else b""
    asks = tuple(NotifyAsk(seen.words, uid_of(obj), message, says) for message in news.due.values())
    wake = Instant(now + LOOK_AGAIN) if any(_is_about_time(seen, one) for one in seen.subscriptions) else None
    return Decision(asks=asks, change=change, wake=wake, notes=tuple(news.notes))


def _is_about_time(seen: ObservedNews, subscription: Subscription) -> bool:
    """Whether a trigger may come true while nothing happens."""
    return any(_NOW.search(condition.when) for condition in seen.settings.triggers.get(subscription.trigger, ()))


def _delivered(seen: ObservedNews, news: _News, message: Pending, delivery: Delivery, now: Instant) -> None:
    del news.due[message.key]
    news.told[message.key] = int(now)
    if delivery.problem:
        text = f"{message.trigger} was not told to {_to(message.service, message.recipient)}: {delivery.problem}"
        news.notes.append(_warning(seen, "NotificationFailed", text))


def _problem(seen: ObservedNews, subscription: Subscription, conditions: Sequence[Condition] | None) -> str:
    """Why it can never be told; "" as long as nobody has configured anything."""
    settings, trigger, config_map = seen.settings, subscription.trigger, f"ConfigMap {seen.words.config_map}"
    if not settings.triggers and not settings.services and not settings.problems:
        return ""
    if conditions is None:
        return settings.problems.get(f"trigger.{trigger}") or f"{config_map} has no trigger.{trigger}"
    if subscription.service not in settings.services:
        keys = (key for key in settings.problems if key.startswith("service.") and key.endswith(f".{subscription.service}"))
        return next((settings.problems[key] for key in keys), f"{config_map} has no service {subscription.service}")
    if trigger not in seen.occasions and not all(condition.when for condition in conditions):
        others = f": only {', '.join(sorted(seen.occasions))} do without" if seen.occasions else ""
        return f"trigger.{trigger} needs a when{others}"
    return ""


def _complain(seen: ObservedNews, news: _News, subscription: Subscription, problem: str, now: Instant) -> None:
    """Once for each subscription."""
    key = f"misconfigured:{subscription.trigger}:{subscription.service}"
    if key not in news.told:
        news.told[key] = int(now)
        text = f"the subscription to {subscription.trigger} by {subscription.service} is of no use: {problem}"
        news.notes.append(_warning(seen, "NotificationMisconfigured", text))


def _look(seen: ObservedNews, news: _News, subscription: Subscription, entry: int, condition: Condition, now: Instant) -> None:
    """What one entry of a trigger has to say to one recipient."""
    place, (trigger, service, recipient) = place_of(subscription, entry, condition.when), astuple(subscription)
    holds = not condition.when or _evaluated(condition.when, seen, now) is True
    once_per = _once_per(condition, seen, now)
    occasions = seen.occasions.get(trigger)
    if occasions is None:
        due = [key_of(once_per, place)] if holds else []
        if not holds:
            news.told.pop(place, None)
    else:
        due = [key for one in occasions if holds and (key := _occurred(news, one, once_per, place, now))]
    for key in due:
        if key not in news.told and key not in news.due:
            news.due[key] = Pending(key, trigger, service, recipient, condition.send, since=int(now))


def _occurred(news: _News, occasion: Occasion, once_per: str, place: str, now: Instant) -> str:
    """The key of an occasion that is news, "" of one that is not."""
    key = key_of(once_per or occasion.name, place)
    if key in news.told or key in news.due:
        return ""
    others = {other: at for other, at in news.told.items() if is_of(other, place)}
    if occasion.at is not None:
        return key if now - occasion.at < FRESH or occasion.at >= max(others.values(), default=now) else ""
    for other in others:  # one of a row: only the last one is remembered, for it may come again
        del news.told[other]
    if occasion.is_news and others:
        return key
    news.told[key] = int(now)
    return ""


def _once_per(condition: Condition, seen: ObservedNews, now: Instant) -> str:
    if not condition.once_per:
        return ""
    value = _evaluated(condition.once_per, seen, now)
    return "" if value is None else str(value)


def _evaluated(expression: str, seen: ObservedNews, now: Instant) -> Any:
    """None for what cannot be evaluated yet: fields come with time."""
    try:
        return evaluate(expression, seen.names, now)
    except ExpressionError:
        return None


def _to(service: str, recipient: str) -> str:
    return f"{service} {recipient}".rstrip()


def _warning(seen: ObservedNews, reason: str, message: str) -> Note:
    return Note(regarding(seen.resource, seen.obj), reason, message, "Warning")
