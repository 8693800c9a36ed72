"""Pods as a busy cluster has them (about 4 KB of JSON with managedFields), and a server process that serves them canned."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

PAGE = 1000


def pod(number: int) -> dict[str, Any]:
    """One running pod of a Deployment, without kind and apiVersion, as lists carry it."""
    name, node = f"checkout-6d4b75cb6d-{number:05d}", f"node-{number % 50}"
    labels = {f"example.com/label-{i}": f"value-{i}" for i in range(6)} | {"app": "checkout", "pod-template-hash": "6d4b75cb6d"}
    environment = [{"name": f"SETTING_{i}", "value": f"https://service-{i}.example.svc.cluster.local:8080"} for i in range(16)]
    owned = {f"f:{field}": {} for field in ("image", "imagePullPolicy", "name", "resources", "terminationMessagePath")}
    condition = {"status": "True", "lastProbeTime": None, "lastTransitionTime": "2026-11-21T08:30:00Z"}
    probe = {"httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"}, "periodSeconds": 10, "failureThreshold": 3}
    managed = {"apiVersion": "v1", "operation": "Update", "time": "2026-11-21T08:30:00Z", "fieldsType": "FieldsV1"}
    container = {
        "name": "app",
        "image": "registry.example.com/shop/checkout:1.42.0",
        "ports": [{"containerPort": 8080, "protocol": "TCP"}],
        "env": environment,
        "resources": {"limits": {"cpu": "500m", "memory": "512Mi"}, "requests": {"cpu": "250m", "memory": "256Mi"}},
        "volumeMounts": [{"name": "token", "readOnly": True, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}],
        "readinessProbe": probe,
        "livenessProbe": probe,
    }
    state = {"running": {"startedAt": "2026-11-21T08:30:02Z"}}
    return {
        "metadata": {
            "name": name,
            "namespace": f"team-{number % 20}",
            "uid": f"00000000-0000-4000-8000-{number:012d}",
            "resourceVersion": str(100000 + number),
            "creationTimestamp": "2026-11-21T08:30:00Z",
            "labels": labels,
            "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name[:-6], "uid": "u", "controller": True}
            ],
            "managedFields": [
                managed
                | {"manager": "kube-controller-manager", "fieldsV1": {"f:metadata": owned, "f:spec": {"f:containers": owned}}},
                managed | {"manager": "kubelet", "subresource": "status", "fieldsV1": {"f:status": {"f:conditions": owned}}},
            ],
        },
        "spec": {
            "nodeName": node,
            "serviceAccountName": "checkout",
            "containers": [container],
            "volumes": [{"name": "token", "projected": {"sources": [{"serviceAccountToken": {"expirationSeconds": 3607}}]}}],
            "tolerations": [{"key": f"node.kubernetes.io/{k}", "operator": "Exists"} for k in ("not-ready", "unreachable")],
        },
        "status": {
            "phase": "Running",
            "podIP": f"10.0.{number // 250}.{number % 250}",
            "conditions": [condition | {"type": t} for t in ("Initialized", "Ready", "ContainersReady", "PodScheduled")],
            "containerStatuses": [
                {"name": "app", "ready": True, "restartCount": 0, "state": state, "image": container["image"]}
            ],
        },
    }


def list_page(start: int, total: int) -> bytes:
    """`PAGE` pods from `start` on, and where to continue."""
    end = min(start + PAGE, total)
    meta = {"resourceVersion": "200000", "continue": str(end) if end < total else ""}
    body = {"kind": "PodList", "apiVersion": "v1", "metadata": meta, "items": [pod(n) for n in range(start, end)]}
    return orjson.dumps(body)


def event_lines(count: int) -> bytes:
    """`count` watch events, a line each."""
    rows = [orjson.dumps({"type": "MODIFIED", "object": {"kind": "Pod", "apiVersion": "v1"} | pod(n)}) for n in range(count)]
    return b"\n".join(rows) + b"\n"


@asynccontextmanager
async def pod_server(count: int) -> AsyncGenerator[str, None]:
    """The URL of a server, in a process of its own, that has `count` pods and `count` events."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.pods", str(count), stdout=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(await process.stdout.readline())}"
    finally:
        process.kill()
        await process.wait()


async def _serve(count: int) -> None:
    pages = {start: list_page(start, count) for start in range(0, count, PAGE)}
    events = event_lines(count)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                query = parse_qs(urlsplit(head.split(b" ", 2)[1].decode()).query)
                body = events if "watch" in query else pages[int(query.get("continue", ["0"])[0])]
                kind = b"Content-Type: application/json\r\n"
                writer.write(b"HTTP/1.1 200 OK\r\n" + kind + b"Content-Length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        # Ends with the process that started it: its end of our stdin closes.
        await asyncio.to_thread(sys.stdin.buffer.read)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
