"""`service.teams`: a card to a channel of Microsoft Teams by an incoming webhook.

    recipientUrls: {releases: $teams-releases}

A template says `title`, `summary`, `text`, `themeColor`, and as JSON `facts`, `sections`, `potentialAction` under `teams`; or
the whole card as `template`.
"""

from typing import Any

from shipway.adapters.notifications.parts import address_of, record_of, records_of, text_of
from shipway.adapters.notifications.posting import post_json
from shipway.api.metrics import Fetch
from shipway.api.notifications import Message
from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj


async def send(fetch: Fetch, settings: Obj, message: Message) -> None:
    """Raises Unavailable or InvalidInput."""
    card = record_of(message, "template") or _card(message)
    url = address_of(settings, "recipientUrls", message)
    answer = await post_json(fetch, settings, "teams", url, card)
    if answer.beginning.strip() not in ("1", ""):  # Teams says what is wrong with a card in an answer of success
        raise InvalidInput(f"teams: the answer was {answer.beginning.strip()[:200]}", reason="NotificationRefused")


def _card(message: Message) -> dict[str, Any]:
    facts = records_of(message, "facts")
    card = {
        "@type": "MessageCard",
        "@context": "https://schema.org/extensions",
        "title": text_of(message, "title"),
        "summary": text_of(message, "summary") or text_of(message, "title") or message.text,
        "text": text_of(message, "text") or message.text,
        "themeColor": text_of(message, "themeColor"),
        "sections": [*records_of(message, "sections"), *([{"facts": facts}] if facts else [])],
        "potentialAction": records_of(message, "potentialAction"),
    }
    return {key: value for key, value in card.items() if value}
