"""What a template says for one kind of service: its texts, some of which are JSON or YAML."""

from contextlib import suppress
from typing import Any, TypeVar

import msgspec
import orjson

from shipway.api.notifications import Message
from shipway.base.errors import InvalidInput
from shipway.kube.objects import yaml

Record = dict[str, Any]
T = TypeVar("T")


def text_of(message: Message, part: str) -> str:
    """What a part says; nothing where the template says nothing there."""
    return str(message.form.get(part) or "").strip()


def records_of(message: Message, part: str) -> list[Record]:
    """The list of objects that a part is as JSON or YAML; none where there is no such part. Raises InvalidInput."""
    return _read(message, part, list[Record], "a list of objects") or []


def record_of(message: Message, part: str) -> Record | None:
    """The object that a part is as JSON or YAML. Raises InvalidInput."""
    return _read(message, part, Record, "an object")


def _read(message: Message, part: str, kind: type[T], told: str) -> T | None:
    """Templates put values between quotes as they are; one that has quotes itself would spoil the whole."""
    text = text_of(message, part)
    if not text:
        return None
    for one in filter(None, (text, message.escaped.get(part))):
        with suppress(msgspec.DecodeError):
            return msgspec.json.decode(one, type=kind)
    try:
        return msgspec.convert(yaml.load(text), kind)
    except InvalidInput as error:
        raise InvalidInput(f"{message.service}: the template's {part} cannot be read: {error.message}") from None
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{message.service}: the template's {part} is to be {told}: {error}") from None


def body_of(message: Message, part: str) -> str:
    """A part that is sent as it is; with escaped values where only those make it the JSON that it begins as."""
    text, escaped = text_of(message, part), str(message.escaped.get(part) or "").strip()
    is_spoilt = text[:1] in ("{", "[") and not _is_json(text) and _is_json(escaped)
    return escaped if is_spoilt else text


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def address_of(settings: Record, addresses: str, message: Message) -> str:
    """Of the services that have a URL for each recipient: the one of this message."""
    known = settings.get(addresses)
    url = str(known.get(message.recipient) or "") if isinstance(known, dict) else ""
    if "://" not in url:
        why = f"{addresses} has no URL for it" if message.recipient else "write it as the value of the subscription"
        raise InvalidInput(f"{message.service}: recipient {message.recipient or '(none)'}: {why}")
    return url
