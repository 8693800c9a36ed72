"""`service.teams-workflows`: an adaptive card to Microsoft Teams by a workflow (Power Automate) that waits for requests.

    recipientUrls: {releases: $teams-releases}

A template says what it says for `teams`, there or under `teams-workflows`; or the whole card as `adaptiveCard`.
"""

from collections.abc import Iterable
from typing import Any

from shipway.adapters.notifications.parts import address_of, record_of, records_of, text_of
from shipway.adapters.notifications.posting import post_json
from shipway.api.metrics import Fetch
from shipway.api.notifications import Message
from shipway.kube.objects.resource import Obj

CARD = "application/vnd.microsoft.card.adaptive"


async def send(fetch: Fetch, settings: Obj, message: Message) -> None:
    """Raises Unavailable or InvalidInput."""
    card = record_of(message, "adaptiveCard") or _card(message)
    body = {"type": "message", "attachments": [{"contentType": CARD, "content": card}]}
    url = address_of(settings, "recipientUrls", message)
    await post_json(fetch, settings, "teams-workflows", url, body)


def _card(message: Message) -> dict[str, Any]:
    facts = [records_of(message, "facts"), *(one.get("facts") for one in records_of(message, "sections"))]
    title, text = text_of(message, "title"), text_of(message, "text") or message.text
    heading = {"type": "TextBlock", "text": title, "size": "Large", "weight": "Bolder", "wrap": True}
    body = [
        *([heading] if title else []),
        *([{"type": "TextBlock", "text": text, "wrap": True}] if text else []),
        *({"type": "FactSet", "facts": _facts(some)} for some in facts if some and isinstance(some, list)),
    ]
    actions = [link for one in records_of(message, "potentialAction") for link in _links(one)]
    card = {"type": "AdaptiveCard", "version": "1.4", "body": body}
    return {**card, "actions": actions} if actions else card


def _facts(facts: Iterable[dict[str, Any]]) -> list[dict[str, str]]:
    known = (fact for fact in facts if isinstance(fact, dict))
    return [{"title": str(fact.get("name") or ""), "value": str(fact.get("value") or "")} for fact in known]


def _links(action: dict[str, Any]) -> list[dict[str, str]]:
    """An action that opens an address; others have no counterpart."""
    match action:
        case {"@type": "OpenUri", "targets": [{"uri": str(url)}, *_]} if url:
            return [{"type": "Action.OpenUrl", "title": str(action.get("name") or ""), "url": url}]
        case _:
            return []
