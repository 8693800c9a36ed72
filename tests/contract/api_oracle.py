"""Runs the table of `api_table` against an API server, real or embedded, and brings the answers into comparable form."""

import json
import re
import ssl
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import orjson

from shipway.kube.objects.wire import Request
from shipway.localcluster.apiserver.server import ApiServer
from tests.contract.api_table import CASES
from tests.contract.api_table.steps import CRDS, Case, Step, crd
from tests.kube.control_plane import ControlPlane

GOLDEN = Path(__file__).parent.parent / "golden" / "api_oracle.json"
AGENT = "tester/1"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ADDRESS = re.compile(r"10\.96\.\d+\.\d+")
_AGES = re.compile(r"\d+s")


class Target(Protocol):
    """A server that answers with code, decoded body and the Warning header."""

    async def ask(self, step: Step, path: str, body: Any) -> tuple[int, Any, str]: ...


class Embedded:
    """The server in this process."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server

    async def ask(self, step: Step, path: str, body: Any) -> tuple[int, Any, str]:
        path, _, query = path.partition("?")
        pairs = tuple((key, value) for key, _, value in (part.partition("=") for part in query.split("&") if part))
        headers = {"content-type": step.type, "accept": step.accept, "user-agent": AGENT}
        raw = body.encode() if isinstance(body, str) else orjson.dumps(body) if body is not None else b""
        answer = await self._server.send(Request(step.method, path, pairs, headers, raw))
        if answer.stream is not None:
            await answer.stream.aclose()
            return answer.status, "stream", ""
        return answer.status, _decoded(answer.body), answer.headers.get("warning", "")


class Real:
    """A real one over HTTPS."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url = session, url

    async def ask(self, step: Step, path: str, body: Any) -> tuple[int, Any, str]:
        headers = {"Content-Type": step.type, "Accept": step.accept, "User-Agent": AGENT}
        raw = body if isinstance(body, str) else json.dumps(body) if body is not None else None
        async with self._session.request(step.method, self._url + path, data=raw, headers=headers) as response:
            return response.status, _decoded(await response.read()), ", ".join(response.headers.getall("Warning", []))


def _decoded(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode()


async def prepare(target: Target) -> None:
    """What all cases share."""
    await target.ask(Step("POST", ""), CRDS, crd())
    while (await target.ask(Step("GET", ""), "/apis/oracle.shipway.dev/v1/namespaces/default/widgets", None))[0] != 200:
        pass  # a real server takes a moment; every question is a wait


async def run(target: Target, case: Case) -> list[Any]:
    """The masked answers to all steps of a case."""
    namespace = f"case-{case.name}"
    await target.ask(Step("POST", ""), "/api/v1/namespaces", {"metadata": {"name": namespace}})
    return await run_steps(target, case.steps, namespace)


async def run_steps(target: Target, steps: list[Step], namespace: str) -> list[Any]:
    """The masked answers to steps in a namespace."""
    answers: list[Any] = []
    for step in steps:
        body = _filled(step.body, namespace)
        code, answer, warning = await target.ask(step, step.path.replace("{ns}", namespace), body)
        answers.append(_answer(step, code, answer, warning))
    return answers


def _filled(value: Any, namespace: str) -> Any:
    return json.loads(json.dumps(value).replace("{ns}", namespace)) if value is not None else None


def _answer(step: Step, code: int, body: Any, warning: str) -> Any:
    if isinstance(body, dict) and step.only:
        body = {key: value for key, value in body.items() if key in step.only}
    found = {"code": code, "body": masked(body)}
    return {**found, "warning": warning} if warning else found


def masked(value: Any, key: str = "") -> Any:
    """What differs from run to run becomes a word; tables keep what people see."""
    if isinstance(value, dict):
        if value.get("kind") == "Table":
            return _table(value)
        return {name: masked(child, name) for name, child in value.items() if not _is_admission(name, child)}
    if isinstance(value, list):
        if key == "causes":
            value = sorted(value, key=lambda cause: (cause.get("field", ""), cause["message"]))
        if key == "managedFields":
            value = sorted(value, key=lambda e: (e["operation"], e["manager"], e.get("subresource", "")))
        return [masked(child) for child in value]
    if isinstance(value, str):
        return _masked_text(value, key)
    return value


def _is_admission(name: str, value: Any) -> bool:
    """What admission plugins add that are off there or have no counterpart here: the default service account of a pod, the
    taint of a node that has not reported yet."""
    if name in ("serviceAccount", "serviceAccountName"):
        return value == "default"
    if name == "storageVersionHash":
        return True
    if name in ("f:serviceAccount", "f:serviceAccountName"):
        return True
    return name == "taints" and value == [{"effect": "NoSchedule", "key": "node.kubernetes.io/not-ready"}]


def _masked_text(value: str, key: str) -> str:
    if key in ("resourceVersion", "continue"):
        return key
    value = value.partition("\n@@")[0]  # a Go diff of internal structs
    return _ADDRESS.sub("ADDRESS", _UID.sub("UID", _TIME.sub("TIME", value)))


def _table(table: dict[str, Any]) -> dict[str, Any]:
    columns = [(c["name"], c["type"], c["format"], c["priority"]) for c in table["columnDefinitions"] or []]
    rows = [[_AGES.sub("AGE", c) if isinstance(c, str) else c for c in row["cells"]] for row in table["rows"]]
    conditions = [row.get("conditions") for row in table["rows"]]
    return masked({"columns": [list(column) for column in columns], "rows": rows, "conditions": conditions})


class ApiServerAlone(ControlPlane):
    """etcd and kube-apiserver without controllers and scheduler, so that nobody else writes."""

    def _programs(self) -> dict[str, list[str]]:
        programs = super()._programs()
        server = [*programs["kube-apiserver"], "--disable-admission-plugins=ServiceAccount"]
        return {"etcd": programs["etcd"], "kube-apiserver": server}

    def _waits_for(self) -> list[str]:
        return [f"{self.url}/readyz", f"{self.url}/api/v1/namespaces/default"]

    def session(self) -> aiohttp.ClientSession:
        """An administrator's."""
        pki = self.folder / "pki"
        context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context))


def dumps_golden(answers: dict[str, Any]) -> str:
    """One line per case, so that a difference shows which case it is about."""
    lines = [f"{json.dumps(name)}: {json.dumps(answers[name], sort_keys=True)}" for name in sorted(answers)]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def case_named(name: str) -> Case:
    return next(case for case in CASES if case.name == name)
