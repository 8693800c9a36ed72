"""What all metric servers have in common: their refusals as sentences, and values written as Go writes them."""

import math

import pytest

from shipway.api.measured import as_go, blot_out, body_of, document, go_float, go_json, sealed, shown_address
from shipway.api.metrics import HttpAnswer, HttpCall
from shipway.base.errors import Denied, InvalidInput, ShipwayError, Unavailable


@pytest.mark.parametrize(
    ("status", "error", "says"),
    [
        (401, Denied, "Metrics refuses the login (401): no such token"),
        (403, Denied, "Metrics refuses the login (403): no such token"),
        (302, InvalidInput, "Metrics answered 302, a redirect, which is not followed"),
        (429, Unavailable, "Metrics is asked too often (429): no such token; lengthen the interval of the metric"),
        (400, InvalidInput, "Metrics refuses the query (400): no such token"),
        (422, InvalidInput, "Metrics refuses the query (422): no such token"),
        (404, InvalidInput, "Metrics refuses the query (404): no such token"),
        (500, Unavailable, "Metrics could not answer (500): no such token"),
        (503, Unavailable, "Metrics could not answer (503): no such token"),
    ],
)
def test_a_refusal_is_a_sentence(status: int, error: type[ShipwayError], says: str) -> None:
    with pytest.raises(error) as caught:
        body_of(HttpAnswer(status, b" no such token\n"), "Metrics")
    assert caught.value.message.startswith(says)


def test_a_refusal_without_words_ends_with_its_status() -> None:
    with pytest.raises(Unavailable) as caught:
        body_of(HttpAnswer(500, b""), "Metrics")
    assert caught.value.message == "Metrics could not answer (500)"


def test_a_refusal_repeats_no_more_than_its_beginning() -> None:
    with pytest.raises(Unavailable) as caught:
        body_of(HttpAnswer(500, b"x" * 100_000), "Metrics")
    assert len(caught.value.message) < 600


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b'{"a": NaN}'])
def test_a_body_that_is_no_json_is_an_error(body: bytes) -> None:
    with pytest.raises(Unavailable, match=r"Metrics answered 200 with something that is not JSON: is the address right\?"):
        document(HttpAnswer(200, body), "Metrics")


def test_a_document_is_read() -> None:
    assert document(HttpAnswer(201, b'{"a": 1}'), "Metrics") == {"a": 1}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (6.6, "6.6"),
        (0.0, "0"),
        (-0.25, "-0.25"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (1.5e-10, "1.5e-10"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (math.nan, "NaN"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
    ],
)
def test_a_float_is_written_as_go_writes_it(value: float, text: str) -> None:
    assert go_float(value) == text


def test_numbers_of_json_are_floats_and_nothing_else_is() -> None:
    read = as_go({"a": 1, "b": [2, True, None, "3"], "c": {"d": 4.5}})
    assert read == {"a": 1.0, "b": [2.0, True, None, "3"], "c": {"d": 4.5}}
    assert type(read["a"]) is float
    assert read["b"][1] is True


def test_json_is_written_with_sorted_keys_and_whole_numbers_without_a_point() -> None:
    assert go_json({"b": 2.0, "a": [1.5, 10.0, True, None, "x"]}) == '{"a":[1.5,10,true,null,"x"],"b":2}'
    assert go_json({"a": 1e300}) == '{"a":1e+300}'


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://user:hush@graphite:80/path?key=hush", "http://graphite:80/path"),
        ("http://graphite", "http://graphite"),
        ("graphite", "graphite"),
        ("http://[broken", "an address that is no URL"),
    ],
)
def test_an_address_is_shown_without_what_may_be_secret(address: str, shown: str) -> None:
    assert shown_address(address) == shown


def test_a_failure_does_not_name_a_secret_nor_part_of_one() -> None:
    with pytest.raises(Denied) as caught, blot_out("hush", "hush-hush", ""):
        raise Denied("sent hush-hush and hush")
    assert caught.value.message == "sent ***** and *****"
    assert caught.value.args == ("sent ***** and *****",)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("at", range(460, 500))
async def test_half_a_secret_where_a_message_is_cut_off_is_not_told_either(at: int) -> None:
    async def repeats(call: HttpCall) -> HttpAnswer:
        return HttpAnswer(403, b"x" * at + b"hush-hush-hush")

    answer = await sealed(repeats, "hush-hush-hush")(HttpCall("cannot", "http://m"))
    with pytest.raises(Denied) as caught:
        body_of(answer, "Metrics")
    assert "hush" not in caught.value.message


async def test_a_fetch_that_fails_does_not_name_a_secret() -> None:
    async def fails(call: HttpCall) -> HttpAnswer:
        raise Unavailable("cannot reach http://m/?key=hush")

    with pytest.raises(Unavailable, match=r"cannot reach http://m/\?key=\*\*\*\*\*"):
        await sealed(fails, "hush", "")(HttpCall("cannot", "http://m"))


@pytest.mark.parametrize(("secret", "body"), [("s", b'{"results": "hush-hush"}'), ("hush-hush", b'{"results": "*****"}')])
async def test_a_good_answer_keeps_its_words_unless_they_are_a_secret(secret: str, body: bytes) -> None:
    async def repeats(call: HttpCall) -> HttpAnswer:
        return HttpAnswer(200, b'{"results": "hush-hush"}')

    assert (await sealed(repeats, secret)(HttpCall("cannot", "http://m"))).body == body
