"""`service.webhook.<name>`: any address that takes an HTTP request.

    url: https://chat.example/hooks
    headers: [{name: Authorization, value: Bearer $token}]
    basicAuth: {username: …, password: $password}

A template says `method`, `path` (after the url) and `body` under `webhook.<name>`; without it the text is sent as it is.
Whoever wants to tell repeated deliveries apart finds the same `Idempotency-Key` on each try.
"""

from shipway.adapters.notifications.answers import check_taken
from shipway.adapters.notifications.parts import body_of
from shipway.api.metrics import Fetch, HttpCall, basic_auth
from shipway.api.notifications import Message
from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


async def send(fetch: Fetch, settings: Obj, message: Message) -> None:
    """Raises Unavailable or InvalidInput."""
    url = str(settings.get("url") or "")
    if "://" not in url:
        raise InvalidInput(f"webhook {message.service}: no url: give http://host/path or https://host/path")
    method = str(message.form.get("method") or "GET").upper()
    if method not in METHODS:
        raise InvalidInput(f"webhook {message.service}: method {method} is not one of {', '.join(METHODS)}")
    if path := str(message.form.get("path") or ""):
        url = f"{url.rstrip('/')}/{path.lstrip('/')}"
    body = body_of(message, "body") or message.text
    answer = await fetch(
        HttpCall(
            purpose=f"webhook {message.service}",
            url=url,
            method=method,
            headers={**_headers(settings, message.service), "Idempotency-Key": message.id},
            body=body.encode() or None,
            is_insecure=bool(settings.get("insecureSkipVerify")),
            follows_redirects=False,
        )
    )
    check_taken(answer, f"webhook {message.service}", url)


def _headers(settings: Obj, service: str) -> dict[str, str]:
    given = settings.get("headers") or []
    if not isinstance(given, list) or not all(isinstance(one, dict) and one.get("name") for one in given):
        raise InvalidInput(f"webhook {service}: headers: give a list of name and value")
    headers = {str(one["name"]): str(one.get("value") or "") for one in given}
    login = settings.get("basicAuth") or {}
    if not isinstance(login, dict):
        raise InvalidInput(f"webhook {service}: basicAuth: give a username and a password")
    if login:
        headers["Authorization"] = basic_auth(str(login.get("username") or ""), str(login.get("password") or ""))
    return headers
