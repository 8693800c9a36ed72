"""Webhooks and Slack: what a real server is sent, and what its answers mean."""

from collections.abc import AsyncGenerator

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from shipway.adapters.http.fetch import HttpFetch
from shipway.adapters.notifications import slack, webhook
from shipway.api.notifications import Message
from shipway.base.errors import Denied, InvalidInput, ShipwayError, Unavailable
from shipway.kube.objects.resource import Obj


class Taking:
    """Answers as it is told to; keeps what it was sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, dict[str, str], str]] = []
        self.status, self.said, self.headers = 200, '{"ok": true}', {}
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.sent.append((request.method, request.path, dict(request.headers), await request.text()))
        return web.Response(status=self.status, text=self.said, headers=self.headers)


@pytest_asyncio.fixture
async def taking() -> AsyncGenerator[Taking, None]:
    there = Taking()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", there.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    there.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield there
    await runner.cleanup()


@pytest_asyncio.fixture
async def fetch() -> AsyncGenerator[HttpFetch, None]:
    async with aiohttp.ClientSession() as session:
        yield HttpFetch(session)


async def test_a_webhook_is_sent_what_its_template_says(taking: Taking, fetch: HttpFetch) -> None:
    settings = {"url": f"{taking.url}/hooks/", "headers": [{"name": "Content-Type", "value": "application/json"}]}
    form = {"method": "post", "path": "/aborted", "body": "{}"}
    await webhook.send(
        fetch, {**settings, "basicAuth": {"username": "u", "password": "p"}}, Message("ops", "", "text", form, "k1")
    )
    ((method, path, headers, body),) = taking.sent
    assert (method, path, body) == ("POST", "/hooks/aborted", "{}")
    assert (headers["Content-Type"], headers["Authorization"]) == ("application/json", "Basic dTpw")
    assert headers["Idempotency-Key"] == "k1"


async def test_a_webhook_without_words_of_its_own_is_sent_the_text(taking: Taking, fetch: HttpFetch) -> None:
    await webhook.send(fetch, {"url": taking.url}, Message("ops", "", "text"))
    assert [(one[0], one[1], one[3]) for one in taking.sent] == [("GET", "/", "text")]


@pytest.mark.parametrize(
    ("status", "headers", "error", "said"),
    [
        (503, {"Retry-After": "7"}, Unavailable, "answered 503 no room"),
        (429, {}, Unavailable, "answered 429"),
        (404, {}, InvalidInput, "answered 404 no room"),
        (302, {"Location": "http://127.0.0.1:9/"}, InvalidInput, "a redirect is not followed"),
    ],
)
async def test_what_may_go_better_later_is_told_from_what_will_not(
    taking: Taking, fetch: HttpFetch, status: int, headers: dict[str, str], error: type[ShipwayError], said: str
) -> None:
    taking.status, taking.said, taking.headers = status, "no room", headers
    with pytest.raises(error, match=said) as caught:
        await webhook.send(fetch, {"url": f"{taking.url}/?key=s3cret"}, Message("ops", "", "text"))
    assert "s3cret" not in str(caught.value)
    if isinstance(caught.value, Unavailable):
        assert caught.value.after == (7.0 if "Retry-After" in headers else None)


@pytest.mark.parametrize(
    ("settings", "form", "said"),
    [
        ({}, {}, "webhook ops: no url"),
        ({"url": "http://x", "headers": "A: b"}, {}, "headers: give a list of name and value"),
        ({"url": "http://x"}, {"method": "BREW"}, "method BREW is not one of"),
    ],
)
async def test_a_webhook_that_cannot_be_called_says_why(fetch: HttpFetch, settings: Obj, form: Obj, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        await webhook.send(fetch, settings, Message("ops", "", "text", form))


async def test_slack_is_sent_a_message_with_its_blocks(taking: Taking, fetch: HttpFetch) -> None:
    settings = {"apiURL": f"{taking.url}/api/", "token": "x0xb", "username": "shipway", "icon": ":boat:"}
    await slack.send(fetch, settings, Message("slack", "releases", "hello", {"attachments": '[{"title": "web"}]'}))
    ((method, path, headers, body),) = taking.sent
    assert (method, path, headers["Authorization"]) == ("POST", "/api/chat.postMessage", "Bearer x0xb")
    assert (
        body
        == '{"channel":"releases","text":"hello","username":"shipway","icon_emoji":":boat:","attachments":[{"title":"web"}]}'
    )


@pytest.mark.parametrize(
    ("status", "said", "error"),
    [
        (200, '{"ok": false, "error": "channel_not_found"}', InvalidInput),
        (200, '{"ok": false, "error": "invalid_auth"}', Denied),
        (200, '{"ok": false, "error": "ratelimited"}', Unavailable),
        (200, "<html>", InvalidInput),
        (200, "[]", InvalidInput),
        (500, "", Unavailable),
    ],
)
async def test_slack_says_in_its_answer_what_is_wrong(
    taking: Taking, fetch: HttpFetch, status: int, said: str, error: type[ShipwayError]
) -> None:
    taking.status, taking.said = status, said
    with pytest.raises(error):
        await slack.send(fetch, {"apiURL": taking.url, "token": "x"}, Message("slack", "releases", "hello"))


@pytest.mark.parametrize(
    ("settings", "to", "form", "said"),
    [
        ({}, "a", {}, "no token"),
        ({"token": "x"}, "", {}, "no channel"),
        ({"token": "x"}, "a", {"blocks": "["}, "the template's blocks are no JSON"),
    ],
)
async def test_slack_without_what_it_needs_says_so(fetch: HttpFetch, settings: Obj, to: str, form: Obj, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        await slack.send(fetch, settings, Message("slack", to, "hello", form))
