"""Pages of others may neither read nor act."""

import pytest

from shipway.base.errors import Denied
from shipway.server.dashboard.guard import TOKEN_HEADER, admit

TOKEN = "t0ken"
PAGE = {"Origin": "http://localhost:3100", "Sec-Fetch-Site": "same-origin", TOKEN_HEADER: TOKEN}


@pytest.mark.parametrize("host", ["localhost:3100", "127.0.0.1:3100", "[::1]:3100", "localhost", "LOCALHOST:1"])
def test_it_answers_under_a_name_of_this_machine(host: str) -> None:
    admit("GET", host, {}, TOKEN)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:3100",
        "",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1:3100",
        "[::1",
        "localhost@evil.example",
    ],
)
def test_it_does_not_answer_under_a_foreign_name(host: str) -> None:
    with pytest.raises(Denied, match="answers only as localhost"):
        admit("GET", host, {}, TOKEN)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({**PAGE, "Origin": "http://evil.example"}, id="a foreign page that knows the token"),
        pytest.param({**PAGE, "Origin": "http://localhost:8080"}, id="a page of another port"),
        pytest.param({**PAGE, "Origin": "null"}, id="a page without an address"),
        pytest.param({**PAGE, TOKEN_HEADER: ""}, id="our page without its token"),
        pytest.param({**PAGE, TOKEN_HEADER: "tøken"}, id="a wrong token"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, id="a browser that hides its page"),
        pytest.param({"Referer": "http://evil.example/"}, id="an old browser"),
    ],
)
def test_a_foreign_page_may_not_act(headers: dict[str, str]) -> None:
    with pytest.raises(Denied):
        admit("PUT", "localhost:3100", headers, TOKEN)


def test_our_page_and_what_is_no_browser_may_act() -> None:
    admit("PUT", "localhost:3100", PAGE, TOKEN)
    admit("PUT", "localhost:3100", {}, TOKEN)


def test_a_foreign_page_may_not_read() -> None:
    with pytest.raises(Denied):
        admit("GET", "localhost:3100", {"Origin": "http://evil.example"}, TOKEN)
