"""What is told to whom: the values that the engines and the services that deliver it exchange, and where they are written."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

NOTIFIED = "notified.notifications.argoproj.io"
"""Annotation: what has been told of an object, as Argo's notifications write it."""
NOTIFYING = "shipway.dev/notifying"
"""Annotation: what is due to be told of it."""


class Words(Struct, frozen=True):
    """Where it stands what is told, by which services and in which words: a ConfigMap, and a Secret for what it may not say."""

    config_map: str
    secret: str


OF_ROLLOUTS = Words("argo-rollouts-notification-configmap", "argo-rollouts-notification-secret")
OF_APPLICATIONS = Words("argocd-notifications-cm", "argocd-notifications-secret")


class Message(Struct, frozen=True):
    """What a filled template says to one `recipient` of one `service`.

    `text`: its `message`. `form`: what the template says for this very kind of service. `escaped`: the same with all values
    written as JSON has them within quotes, for a template that does not see to it. `id`: the same on every try.
    """

    service: str
    recipient: str
    text: str
    form: Mapping[str, Any] = {}
    id: str = ""
    escaped: Mapping[str, Any] = {}


class Delivery(Struct, frozen=True):
    """What became of a message in the end: `problem` says why it was given up, "" that it was taken."""

    problem: str = ""
