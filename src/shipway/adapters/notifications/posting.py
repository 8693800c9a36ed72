"""A message that is one POST of JSON."""

from collections.abc import Mapping
from typing import Any

import orjson

from shipway.adapters.notifications.answers import check_taken
from shipway.api.metrics import Fetch, HttpAnswer, HttpCall
from shipway.kube.objects.resource import Obj


async def post_json(
    fetch: Fetch, settings: Obj, service: str, url: str, body: Any, *, headers: Mapping[str, str] | None = None
) -> HttpAnswer:
    """The answer, if it is one of success; `settings` say whether the certificate counts. Raises what `check_taken` raises."""
    answer = await fetch(
        HttpCall(
            purpose=service,
            url=url,
            method="POST",
            headers={"Content-Type": "application/json; charset=utf-8", **(headers or {})},
            body=orjson.dumps(body),
            is_insecure=bool(settings.get("insecureSkipVerify")),
            follows_redirects=False,
        )
    )
    check_taken(answer, service, url)
    return answer
