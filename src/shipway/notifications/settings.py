"""The ConfigMap that says what may be told, by which services and in which words.

    trigger.<name>            - send: [template, …], when: expression, oncePer: expression
    template.<name>           message, and a block for each kind of service
    service.<kind>[.<name>]   how a service is reached; $key stands for a value of the Secret
    subscriptions, defaultTriggers[.<service>], context

A key that cannot be read is a sentence of its own (`problems`) and spoils no other.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from shipway.base.errors import InvalidInput
from shipway.expression import ExpressionError, check_syntax
from shipway.kube.objects import yaml
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.selectors import LabelSelector, parse_label_selector

T = TypeVar("T")


class Condition(Struct, frozen=True, rename={"once_per": "oncePer"}):
    """One entry of a trigger: the templates it sends, when, and what makes it another time."""

    send: tuple[str, ...]
    when: str = ""
    once_per: str = ""


class Service(Struct, frozen=True):
    """`settings` with their `$key` as they are written."""

    kind: str
    settings: Mapping[str, Any]


class ForAll(Struct, frozen=True):
    """A subscription of all objects whose labels match: (service, recipient) and triggers."""

    recipients: tuple[tuple[str, str], ...]
    triggers: tuple[str, ...]
    selector: LabelSelector


class NotificationSettings(Struct, frozen=True):
    """`default_triggers`: by service, "" for any. `problems`: what is wrong, by the key of the ConfigMap."""

    triggers: Mapping[str, tuple[Condition, ...]] = {}
    templates: Mapping[str, Mapping[str, Any]] = {}
    services: Mapping[str, Service] = {}
    for_all: tuple[ForAll, ...] = ()
    default_triggers: Mapping[str, tuple[str, ...]] = {}
    context: Mapping[str, str] = {}
    problems: Mapping[str, str] = {}


class _ForAll(Struct):
    recipients: list[str]
    triggers: list[str] = []
    selector: str = ""


def read_settings(config_map: Obj | None) -> NotificationSettings:
    """What the ConfigMap says; nothing without one."""
    given: Mapping[str, str] = (config_map or {}).get("data") or {}
    return _read(tuple(sorted(given.items())))


@lru_cache(maxsize=8)
def _read(given: tuple[tuple[str, str], ...]) -> NotificationSettings:
    parts: dict[str, dict[str, Any]] = {"trigger": {}, "template": {}, "service": {}, "defaultTriggers": {}}
    lone: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for key, text in given:
        try:
            kind, _, name = key.partition(".")
            if kind == "service":
                of, _, called = name.partition(".")
                parts[kind][called or of] = Service(of, _as(yaml.load(text) or {}, dict[str, Any]))
            elif kind == "trigger":
                parts[kind][name] = _checked(_as(yaml.load(text), tuple[Condition, ...]))
            elif kind == "template":
                parts[kind][name] = _as(yaml.load(text), dict[str, Any])
            elif kind == "defaultTriggers":
                parts[kind][name] = _as(yaml.load(text) or [], tuple[str, ...])
            elif key == "subscriptions":
                lone[key] = tuple(map(_for_all, _as(yaml.load(text) or [], list[_ForAll])))
            elif key == "context":
                lone[key] = _as(yaml.load(text) or {}, dict[str, str])
        except (InvalidInput, ExpressionError) as error:
            problems[key] = str(error)
    return NotificationSettings(
        triggers=parts["trigger"],
        templates=parts["template"],
        services=parts["service"],
        for_all=lone.get("subscriptions", ()),
        default_triggers=parts["defaultTriggers"],
        context=lone.get("context", {}),
        problems=problems,
    )


def _as(value: Any, kind: type[T]) -> T:
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidInput(str(error)) from None


def _checked(conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
    for condition in conditions:
        for expression in filter(None, (condition.when, condition.once_per)):
            check_syntax(expression)
    return conditions


def _for_all(given: _ForAll) -> ForAll:
    recipients = [(service, to) for one in given.recipients for service, _, to in (one.partition(":"),)]
    return ForAll(tuple(recipients), tuple(given.triggers), parse_label_selector(given.selector))
