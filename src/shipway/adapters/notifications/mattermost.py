"""`service.mattermost`: a post to a channel of Mattermost (`apiURL`, `token`); the recipient is the channel's id.

A template says `attachments` as JSON under `mattermost`; its `message` is the text.
"""

from shipway.adapters.notifications.parts import records_of
from shipway.adapters.notifications.posting import post_json
from shipway.api.metrics import Fetch
from shipway.api.notifications import Message
from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj


async def send(fetch: Fetch, settings: Obj, message: Message) -> None:
    """Raises Unavailable or InvalidInput."""
    server, token = str(settings.get("apiURL") or "").rstrip("/"), str(settings.get("token") or "")
    if "://" not in server or not token:
        raise InvalidInput("mattermost: give service.mattermost an apiURL and a token: $mattermost-token")
    body = {
        "channel_id": message.recipient,
        "message": message.text,
        "props": {"attachments": records_of(message, "attachments")},
    }
    headers = {"Authorization": f"Bearer {token}"}
    await post_json(fetch, settings, "mattermost", f"{server}/api/v4/posts", body, headers=headers)
