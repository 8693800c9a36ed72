"""What is told to whom: the values that the engine and the services that deliver it exchange."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct


class Message(Struct, frozen=True):
    """What a filled template says to one `recipient` of one `service`.

    `text`: its `message`. `form`: what the template says for this very kind of service. `id`: the same on every try.
    """

    service: str
    recipient: str
    text: str
    form: Mapping[str, Any] = {}
    id: str = ""


class Delivery(Struct, frozen=True):
    """What became of a message in the end: `problem` says why it was given up, "" that it was taken."""

    problem: str = ""
