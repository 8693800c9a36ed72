"""What a real server of each service is sent, and what its answers mean."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from shipway.adapters.http.fetch import HttpFetch
from shipway.adapters.notifications import google_chat, mattermost, slack, teams, teams_workflows, telegram, webhook
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
        ({"token": "x"}, "a", {"blocks": "["}, "the template's blocks cannot be read"),
        ({"token": "x"}, "a", {"blocks": '{"type": "section"}'}, "the template's blocks is to be a list of objects"),
    ],
)
async def test_slack_without_what_it_needs_says_so(fetch: HttpFetch, settings: Obj, to: str, form: Obj, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        await slack.send(fetch, settings, Message("slack", to, "hello", form))


FACTS, LINK = (
    '[{"name": "Sync", "value": "Synced"}]',
    '[{"@type": "OpenUri", "name": "Look", "targets": [{"uri": "https://cd.example"}]}]',
)
CARD = {"title": "shop", "themeColor": "#000080", "facts": FACTS, "potentialAction": LINK}


async def test_teams_is_sent_a_card(taking: Taking, fetch: HttpFetch) -> None:
    taking.said = "1"
    urls = {"recipientUrls": {"releases": f"{taking.url}/hook"}}
    await teams.send(fetch, urls, Message("teams", "releases", "is live", CARD))
    await teams.send(fetch, urls, Message("teams", "releases", "", {"template": '{"as": "written"}'}))
    (_, path, _, body), (_, _, _, written) = taking.sent
    assert path == "/hook" and json.loads(written) == {"as": "written"}
    assert json.loads(body) == {
        "@type": "MessageCard",
        "@context": "https://schema.org/extensions",
        "title": "shop",
        "summary": "shop",
        "text": "is live",
        "themeColor": "#000080",
        "sections": [{"facts": json.loads(FACTS)}],
        "potentialAction": json.loads(LINK),
    }
    taking.said = "Bad payload received"
    with pytest.raises(InvalidInput, match="teams: the answer was Bad payload received"):
        await teams.send(fetch, urls, Message("teams", "releases", "is live"))


async def test_a_workflow_of_teams_is_sent_an_adaptive_card(taking: Taking, fetch: HttpFetch) -> None:
    urls = {"recipientUrls": {"releases": taking.url}}
    taking.status = 202
    await teams_workflows.send(fetch, urls, Message("teams-workflows", "releases", "is live", CARD))
    await teams_workflows.send(fetch, urls, Message("teams-workflows", "releases", "", {"adaptiveCard": '{"as": "written"}'}))
    (_, _, _, body), (_, _, _, written) = taking.sent
    (attachment,) = json.loads(body)["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert attachment["content"] == {
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            {"type": "TextBlock", "text": "shop", "size": "Large", "weight": "Bolder", "wrap": True},
            {"type": "TextBlock", "text": "is live", "wrap": True},
            {"type": "FactSet", "facts": [{"title": "Sync", "value": "Synced"}]},
        ],
        "actions": [{"type": "Action.OpenUrl", "title": "Look", "url": "https://cd.example"}],
    }
    assert json.loads(written)["attachments"][0]["content"] == {"as": "written"}


async def test_google_chat_is_sent_cards_to_a_thread_or_the_text(taking: Taking, fetch: HttpFetch) -> None:
    urls = {"webhooks": {"releases": f"{taking.url}/v1?key=k"}}
    cards = "- header:\n    title: shop\n"
    await google_chat.send(fetch, urls, Message("googlechat", "releases", "live", {"cardsV2": cards, "threadKey": "a b"}, "k1"))
    await google_chat.send(fetch, urls, Message("googlechat", "releases", "live"))
    (_, _, _, body), (_, _, _, plain) = taking.sent
    assert json.loads(body) == {"cardsV2": [{"cardId": "k1-0", "card": {"header": {"title": "shop"}}}]}
    assert json.loads(plain) == {"text": "live"}


async def test_mattermost_and_telegram_are_sent_the_text(taking: Taking, fetch: HttpFetch) -> None:
    settings = {"apiURL": taking.url, "token": "t0k"}
    await mattermost.send(fetch, settings, Message("mattermost", "c1", "live", {"attachments": '[{"text": "x"}]'}))
    await telegram.send(fetch, settings, Message("telegram", "-100|7", "live"))
    await telegram.send(fetch, settings, Message("telegram", "news", "live"))
    (_, path, headers, body), (_, group, _, to_topic), (_, _, _, to_channel) = taking.sent
    assert (path, headers["Authorization"]) == ("/api/v4/posts", "Bearer t0k")
    assert json.loads(body) == {"channel_id": "c1", "message": "live", "props": {"attachments": [{"text": "x"}]}}
    assert group == "/bott0k/sendMessage"
    assert json.loads(to_topic) == {"chat_id": "-100", "text": "live", "parse_mode": "Markdown", "message_thread_id": 7}
    assert json.loads(to_channel)["chat_id"] == "@news"


@pytest.mark.parametrize(
    ("send", "settings", "to", "said"),
    [
        (teams.send, {}, "releases", "teams: recipient releases: recipientUrls has no URL for it"),
        (teams_workflows.send, {"recipientUrls": {}}, "", "recipient .none.: write it as the value of the subscription"),
        (google_chat.send, {"webhooks": {"releases": "x"}}, "releases", "webhooks has no URL for it"),
        (mattermost.send, {"token": "t"}, "c1", "give service.mattermost an apiURL"),
        (telegram.send, {}, "news", "give service.telegram a token"),
        (teams.send, {"recipientUrls": "http://x"}, "releases", "recipientUrls has no URL for it"),
        (webhook.send, {"url": "http://x", "basicAuth": "ada"}, "", "basicAuth: give a username and a password"),
    ],
)
async def test_a_service_without_what_it_needs_says_so(
    fetch: HttpFetch, send: Callable[..., Awaitable[None]], settings: Obj, to: str, said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        await send(fetch, settings, Message("teams", to, "hello"))


async def test_a_value_with_quotes_does_not_spoil_the_json_around_it(taking: Taking, fetch: HttpFetch) -> None:
    """Templates of Argo CD's catalogue say `"value": "{{.message}}"`: just a failure's words would be lost."""
    spoilt, escaped = {"attachments": '[{"text": ""a" is bad"}]'}, {"attachments": '[{"text": "\\"a\\" is bad"}]'}
    await slack.send(fetch, {"apiURL": taking.url, "token": "x"}, Message("slack", "c", "hi", spoilt, escaped=escaped))
    assert json.loads(taking.sent[0][3])["attachments"] == [{"text": '"a" is bad'}]
    spoilt, escaped = {"body": '{"why": "say "a""}'}, {"body": '{"why": "say \\"a\\""}'}
    await webhook.send(fetch, {"url": taking.url}, Message("ops", "", "hi", spoilt, escaped=escaped))
    await webhook.send(fetch, {"url": taking.url}, Message("ops", "", "hi", {"body": 'say "a"'}, escaped={"body": "say"}))
    assert [one[3] for one in taking.sent[1:]] == ['{"why": "say \\"a\\""}', 'say "a"']


@pytest.mark.parametrize("part", ["facts", "sections", "potentialAction", "adaptiveCard"])
async def test_a_card_whose_parts_are_something_else_says_which(fetch: HttpFetch, part: str) -> None:
    settings = {"recipientUrls": {"releases": "http://127.0.0.1:9"}}
    with pytest.raises(InvalidInput, match=f"the template's {part} is to be "):
        await teams_workflows.send(fetch, settings, Message("teams", "releases", "hello", {part: '"text"'}))


async def test_what_has_no_counterpart_in_a_card_is_left_out(taking: Taking, fetch: HttpFetch) -> None:
    odd = {
        "sections": '[{"facts": "none"}, {"facts": ["x"]}, {}]',
        "potentialAction": '[{"@type": "HttpPOST"}, {"@type": "OpenUri"}]',
    }
    await teams_workflows.send(fetch, {"recipientUrls": {"releases": taking.url}}, Message("t", "releases", "hello", odd))
    (attachment,) = json.loads(taking.sent[0][3])["attachments"]
    assert "actions" not in attachment["content"]
