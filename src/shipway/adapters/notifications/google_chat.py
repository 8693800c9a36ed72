"""`service.googlechat`: a message to a space of Google Chat by its incoming webhook.

    webhooks: {releases: $chat-releases}

A template says `cardsV2` (or the older `cards`) as YAML, and `threadKey` under `googlechat`; without cards its `message`.
"""

from typing import Any
from urllib.parse import quote

from shipway.adapters.notifications.parts import address_of, records_of, text_of
from shipway.adapters.notifications.posting import post_json
from shipway.api.metrics import Fetch
from shipway.api.notifications import Message
from shipway.kube.objects.resource import Obj


async def send(fetch: Fetch, settings: Obj, message: Message) -> None:
    """Raises Unavailable or InvalidInput."""
    url = address_of(settings, "webhooks", message)
    if thread := text_of(message, "threadKey"):
        joint = "&" if "?" in url else "?"
        url += f"{joint}threadKey={quote(thread, safe='')}&messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD"
    await post_json(fetch, settings, "googlechat", url, _body(message))


def _body(message: Message) -> dict[str, Any]:
    cards, newer = records_of(message, "cards"), records_of(message, "cardsV2")
    body = {
        "cardsV2": [{"cardId": f"{message.id}-{number}", "card": card} for number, card in enumerate(newer)],
        "cards": cards,
        "text": "" if cards or newer else message.text,
    }
    return {key: value for key, value in body.items() if value}
