"""`service.telegram`: a message by a bot of Telegram (`token`), in Markdown.

The recipient is the name of a channel, or the number of a group (`-1000000000000`, with `|7` after it for its topic 7).
"""

from shipway.adapters.notifications.posting import post_json
from shipway.api.metrics import Fetch
from shipway.api.notifications import Message
from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj

API = "https://api.telegram.org"


async def send(fetch: Fetch, settings: Obj, message: Message) -> None:
    """Raises Unavailable or InvalidInput."""
    token = str(settings.get("token") or "")
    if not token or not message.recipient:
        raise InvalidInput("telegram: give service.telegram a token: $telegram-token, and the subscription a channel")
    chat, _, topic = message.recipient.partition("|")
    thread = {"message_thread_id": int(topic)} if topic.isdecimal() else {}
    to = {"chat_id": chat if chat.startswith("-") else f"@{chat}", **thread}
    url = f"{str(settings.get('apiURL') or API).rstrip('/')}/bot{token}/sendMessage"
    await post_json(fetch, settings, "telegram", url, {**to, "text": message.text, "parse_mode": "Markdown"})
