"""What a template says for one kind of service: its texts, some of which are JSON or YAML."""

from contextlib import suppress
from typing import Any

import orjson

from shipway.api.notifications import Message
from shipway.base.errors import InvalidInput
from shipway.kube.objects import yaml


def text_of(message: Message, part: str) -> str:
    """ "" where the template says nothing there."""
    return str(message.form.get(part) or "").strip()


def data_of(message: Message, part: str) -> Any:
    """What a part means that is JSON (or YAML, of which JSON is a part); None where there is none.

    Templates put values between quotes as they are; one that has quotes itself would spoil the whole.
    """
    text = text_of(message, part)
    for one in filter(None, (text, message.escaped.get(part))):
        with suppress(orjson.JSONDecodeError):
            return orjson.loads(one)
    try:
        return yaml.load(text)
    except InvalidInput as error:
        raise InvalidInput(f"{message.service}: the template's {part} cannot be read: {error.message}") from None


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


def address_of(settings: dict[str, Any], addresses: str, message: Message) -> str:
    """Of the services that have a URL for each recipient: the one of this message."""
    url = str((settings.get(addresses) or {}).get(message.recipient) or "")
    if "://" not in url:
        known = f"{addresses} has no URL for it" if message.recipient else "write it as the value of the subscription"
        raise InvalidInput(f"{message.service}: recipient {message.recipient or '(none)'}: {known}")
    return url
