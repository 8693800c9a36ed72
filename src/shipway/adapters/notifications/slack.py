"""`service.slack`: a message to a channel by `chat.postMessage`, of Slack or of whatever speaks the same at `apiURL`.

A template says `attachments` and `blocks` (JSON) under `slack`; its `message` is the text.
"""

from typing import Any

import orjson

from shipway.adapters.notifications.parts import records_of
from shipway.adapters.notifications.posting import post_json
from shipway.api.metrics import Fetch, HttpAnswer
from shipway.api.notifications import Message
from shipway.base.errors import Denied, InvalidInput, Unavailable
from shipway.kube.objects.resource import Obj

API = "https://slack.com/api"
_LATER = ("ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout")
_LOGIN = ("not_authed", "invalid_auth", "account_inactive", "token_revoked", "token_expired")


async def send(fetch: Fetch, settings: Obj, message: Message) -> None:
    """Raises Unavailable, Denied (the token) or InvalidInput."""
    token = str(settings.get("token") or "")
    if not token:
        raise InvalidInput("slack: no token: give service.slack token: $slack-token, and the Secret that key")
    if not message.recipient:
        raise InvalidInput("slack: no channel: write it as the value of the subscription")
    url = f"{str(settings.get('apiURL') or API).rstrip('/')}/chat.postMessage"
    headers = {"Authorization": f"Bearer {token}"}
    answer = await post_json(fetch, settings, "slack", url, _body(settings, message), headers=headers)
    _check_word(answer, message.recipient)


def _body(settings: Obj, message: Message) -> dict[str, Any]:
    icon = str(message.form.get("icon") or settings.get("icon") or "")
    name = message.form.get("username") or settings.get("username")
    body = {
        "channel": message.recipient,
        "text": message.text,
        "username": name,
        "icon_emoji" if icon.startswith(":") else "icon_url": icon or None,
        **{part: records_of(message, part) for part in ("attachments", "blocks")},
    }
    return {key: value for key, value in body.items() if value}


def _check_word(answer: HttpAnswer, channel: str) -> None:
    """Slack says in the answer's body what a status says elsewhere."""
    try:
        said = orjson.loads(answer.body)
        word = "" if said.get("ok") else str(said.get("error") or "no word of success")
    except (orjson.JSONDecodeError, AttributeError):
        word = "something that is not its JSON: is apiURL right?"
    if not word:
        return
    told = f"slack: channel {channel}: the answer was {word}"
    if word in _LATER:
        raise Unavailable(told, after=answer.retry_after)
    if word in _LOGIN:
        raise Denied(told)
    raise InvalidInput(told, reason="NotificationRefused")
