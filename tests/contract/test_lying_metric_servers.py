"""Metric servers that hang, lie, or send without end: one measurement errs, says why, and the run ends as its limits say.

The servers are real sockets, the fetch and the engine are those of production; only time limits in the templates are short.
"""

import asyncio
import functools
import resource
import time
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
import pytest_asyncio

from shipway.api.kinds import ANALYSIS_RUNS, SECRETS
from shipway.assembly.measuring import MetricServers
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from shipway.kube.runtime.waiting import One, wait_until
from tests.contract.analysis_engine import analysis_engine

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
MEGABYTE = b"7" * 2**20


@asynccontextmanager
async def listening(answer: Answer) -> AsyncGenerator[str, None]:
    """The address of a server that reads a request's head and then does as it likes."""

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def saying(body: bytes, head: bytes = b"") -> Answer:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()

    return answer


async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.1)


async def pours(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % (100 * len(MEGABYTE)))
    for _ in range(100):
        writer.write(MEGABYTE)
        await writer.drain()


@functools.cache
def bomb() -> bytes:
    """Three hundred megabytes of blanks, packed. Takes a second to make."""
    packer = zlib.compressobj(1, wbits=31)
    blanks = b" " * 2**20
    return b"".join(packer.compress(blanks) for _ in range(300)) + packer.flush()


async def unpacks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await saying(bomb(), b"Content-Encoding: gzip\r\n")(reader, writer)


async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b'Content-Length: 100\r\n\r\n{"share":')


async def speaks_no_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.test ESMTP\r\n")


async def turns_in_circles(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")


@pytest_asyncio.fixture
async def client() -> AsyncGenerator[Client, None]:
    """An API server with the engine for analyses."""
    async with (
        aiohttp.ClientSession() as session,
        analysis_engine(lambda client: MetricServers(client, session, namespace="shop")) as client,
    ):
        yield client


async def verdict(client: Client, provider: Obj, condition: str = "result <= 0.05") -> tuple[str, str]:
    """(phase, message of the measurement) of a run that measures once."""
    metric = {"name": "errors", "consecutiveErrorLimit": 0, "successCondition": condition, "provider": provider}
    run = {
        "apiVersion": ANALYSIS_RUNS.api_version,
        "kind": ANALYSIS_RUNS.kind,
        "metadata": {"name": "run", "namespace": "shop"},
        "spec": {"metrics": [metric]},
    }
    await client.create(ANALYSIS_RUNS, run)
    finished = ("Successful", "Failed", "Error", "Inconclusive")
    found = await wait_until(
        client, One(ANALYSIS_RUNS, "shop", "run"), lambda obj: dig(obj or {}, "status", "phase") in finished
    )
    assert found is not None
    measured = dig(found, "status", "metricResults", 0, "measurements", 0)
    return found["status"]["phase"], measured.get("message") or measured.get("value") or ""


def web(url: str, path: str = "{$.share}") -> Obj:
    return {"web": {"url": f"{url}/errors", "jsonPath": path, "timeoutSeconds": 5}}


def prometheus(url: str) -> Obj:
    return {"prometheus": {"address": url, "query": "errors", "timeout": 5}}


def datadog(url: str) -> Obj:
    """By v2, where one formula joins several queries."""
    queries = {"failed": "sum:failed{*}", "all": "sum:all{*}"}
    return {"datadog": {"apiVersion": "v2", "queries": queries, "formula": "failed / all"}}


async def log_in_to_datadog(client: Client, url: str) -> None:
    data = {"api-key": "1", "app-key": "a", "address": url}
    meta = {"name": "datadog", "namespace": "shop"}
    await client.create(SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": data})


@pytest.mark.proves("001-22")
@pytest.mark.parametrize("provider", [web, prometheus, datadog])
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (hangs, "no answer in time"),
        (drips, "no answer in time"),
        (pours, "the answer is larger than 8 MiB: ask for less"),
        (unpacks, "the answer is larger than 8 MiB: ask for less"),
        (hangs_up, "ClientPayloadError"),
        (speaks_no_http, "400"),
        (turns_in_circles, "TooManyRedirects"),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
async def test_a_server_that_does_as_it_likes_costs_one_measurement(
    client: Client, provider: Callable[[str], Obj], answer: Answer, message: str
) -> None:
    bomb()
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    async with listening(answer) as url:
        await log_in_to_datadog(client, url)
        phase, said = await verdict(client, provider(url))
    assert phase == "Error"
    # Datadog's keys are not carried to where a redirect leads.
    assert message in said or (provider is datadog and answer is turns_in_circles and "302" in said)
    assert "127.0.0.1" in said or provider is datadog
    assert time.monotonic() - begun < 40  # Datadog is given ten seconds, and nobody is asked again and again
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


@pytest.mark.parametrize(
    ("body", "condition", "phase", "message"),
    [
        (b"", "result <= 0.05", "Error", ""),
        (b"{}", "result <= 0.05", "Error", "jsonPath {$.share} finds nothing in the answer"),
        (b'{"share": null}', "result <= 0.05", "Error", ""),
        (b'{"share": "0.01"}', "result <= 0.05", "Error", "mismatched types"),
        (b'{"share": "0.01"}', "asFloat(result) <= 0.05", "Successful", ""),
        (b'{"share": [0.01]}', "result <= 0.05", "Error", ""),
        (b'{"share": NaN}', "result <= 0.05", "Error", ""),
        (b'{"share": 1e999}', "result <= 0.05", "Error", ""),
        (b"[" * 100_000, "result <= 0.05", "Error", ""),
        (b'{"share": "' + b"x" * 3_000_000 + b'"}', 'result == "y"', "Error", "takes more than 100000 steps"),
        (b'{"share": "' + b"x" * 50_000 + b'"}', 'result == "y"', "Failed", "characters more"),
        (b"\xff\xfe\x00", "result <= 0.05", "Error", ""),
    ],
)
async def test_a_web_server_that_lies_is_judged_by_its_word_and_never_crashes(
    client: Client, body: bytes, condition: str, phase: str, message: str
) -> None:
    async with listening(saying(body)) as url:
        found, said = await verdict(client, web(url), condition)
    assert found == phase, said
    assert message in said
    assert len(said) < 100_000


@pytest.mark.parametrize(
    ("body", "phase", "message"),
    [
        (b"", "Error", "Prometheus answered 200 with something that is not JSON"),
        (b"[]", "Error", "Prometheus answered 200 with JSON that is no answer of its API"),
        (b'{"status": "success"}', "Error", "its API does not allow"),
        (b'{"status": "success", "data": {"resultType": "vector", "result": 7}}', "Error", "its API does not allow"),
        (b'{"status": "success", "data": {"resultType": "string", "result": [1, "x"]}}', "Error", "string is not supported"),
        (b'{"status": "success", "data": {"resultType": "scalar", "result": [1, "x"]}}', "Error", "its API does not allow"),
        (b'{"status": "success", "data": {"resultType": "scalar", "result": [1, "NaN"]}}', "Failed", "NaN"),
        (b'{"status": "success", "data": {"resultType": "scalar", "result": [1, "0.01"]}}', "Successful", "0.01"),
        (b'{"status": "success", "data": {"resultType": "vector", "result": []}}', "Error", "mismatched types"),
        (b'{"status": "error", "errorType": "timeout", "error": "query timed out"}', "Error", "timeout: query timed out"),
    ],
)
async def test_a_prometheus_that_lies_is_an_errored_measurement_with_its_reason(
    client: Client, body: bytes, phase: str, message: str
) -> None:
    async with listening(saying(body)) as url:
        found, said = await verdict(client, prometheus(url))
    assert (found, message in said) == (phase, True), said


@pytest.mark.parametrize(
    ("body", "condition", "phase", "message"),
    [
        (b'{"data": {"attributes": {"columns": [{"values": [0.01]}]}}}', "result <= 0.05", "Successful", "0.01"),
        (b'{"data": {"attributes": {"columns": [{"values": [0.3]}]}}}', "result <= 0.05", "Failed", "0.3"),
        (b'{"data": {"attributes": {"columns": []}}}', "default(result, 0) <= 0.05", "Successful", ""),
        (b'{"data": {"attributes": {"columns": []}}}', "result <= 0.05", "Error", ""),
        (b'{"data": {"attributes": {"columns": [{"values": ["much"]}]}}}', "result <= 0.05", "Error", ""),
        (b'{"data": 7}', "result <= 0.05", "Error", ""),
        (b"<html>", "result <= 0.05", "Error", ""),
    ],
)
async def test_a_datadog_of_several_queries_is_believed_only_numbers(
    client: Client, body: bytes, condition: str, phase: str, message: str
) -> None:
    async with listening(saying(body)) as url:
        await log_in_to_datadog(client, url)
        found, said = await verdict(client, datadog(url), condition)
    assert (found, message in said) == (phase, True), said
