"""Watch streams: lines across chunks, events, errors."""

from collections.abc import AsyncGenerator
from itertools import pairwise

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.base.errors import Unavailable
from shipway.kube.client.errors import Expired
from shipway.kube.client.watching import WatchEvent, decode_page, events_of, lines, objects_of
from shipway.kube.objects.resource import Resource
from shipway.kube.runtime.virtual_time import run_in_virtual_time

PODS = Resource("", "v1", "Pod", "pods")


async def stream(*chunks: bytes) -> AsyncGenerator[bytes, None]:
    for chunk in chunks:
        yield chunk


def event(type_: str, **obj: object) -> bytes:
    return orjson.dumps({"type": type_, "object": obj}) + b"\n"


async def collect(*chunks: bytes) -> list[WatchEvent]:
    return [item async for item in events_of(stream(*chunks), PODS)]


@given(st.lists(st.binary(max_size=5).filter(lambda b: b"\n" not in b), min_size=1), st.lists(st.integers(0, 60)))
def test_lines_do_not_depend_on_the_chunks(rows: list[bytes], cuts: list[int]) -> None:
    whole = b"\n".join(rows) + b"\n"
    edges = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    chunks = [whole[a:b] for a, b in pairwise(edges)]

    async def read() -> list[bytes]:
        return [row async for complete in lines(stream(*chunks)) for row in complete]

    assert run_in_virtual_time(read()) == rows


async def test_a_rest_without_its_end_is_given_last() -> None:
    assert [rows async for rows in lines(stream(b"a\nb", b"c"))] == [[b"a"], [b"bc"]]


async def test_events_carry_the_kind() -> None:
    body = event("ADDED", kind="PartialObjectMetadata", metadata={"name": "a"}) + event("BOOKMARK", metadata={})
    found = await collect(body[:17], body[17:])
    assert [(e.type, e.obj["kind"], e.obj["apiVersion"]) for e in found] == [("ADDED", "Pod", "v1"), ("BOOKMARK", "Pod", "v1")]


async def test_an_error_event_comes_after_what_was_before_it() -> None:
    status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version: 1 (9)"}
    found: list[WatchEvent] = []
    with pytest.raises(Expired, match="too old"):
        async for item in events_of(stream(event("ADDED", metadata={}) + event("ERROR", **status)), PODS):
            found.append(item)
    assert len(found) == 1


@pytest.mark.parametrize(
    "broken", [b"{\n", b'{"type":"ADDED"}\n', b'{"type":1,"object":{}}\n', b'{"type":"ADDED","object":"\xff']
)
async def test_a_broken_stream_is_unavailable(broken: bytes) -> None:
    with pytest.raises(Unavailable):
        await collect(broken)


async def test_blank_lines_are_nothing() -> None:
    assert await collect(b"\n \n\n") == []


def test_list_items_get_their_kind() -> None:
    page = decode_page(b'{"metadata":{"resourceVersion":"7","continue":"t"},"items":[{"metadata":{"name":"a"}}]}', PODS)
    assert list(objects_of(page, PODS)) == [{"metadata": {"name": "a"}, "apiVersion": "v1", "kind": "Pod"}]
    assert (page.metadata.resource_version, page.metadata.continue_token) == ("7", "t")
    assert decode_page(b'{"items":null}', PODS).items is None


def test_what_is_no_list_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        decode_page(b"<html>", PODS)
    with pytest.raises(Unavailable):
        list(objects_of(decode_page(b'{"items":[1]}', PODS), PODS))
