"""The kubeconfig that lets kubectl and everybody else in: the server's address, its authority, a bearer token. Mode 0600."""

import base64
from pathlib import Path

import orjson

from shipway.localcluster.apiserver.tls import write_private


def write_kubeconfig(path: Path, *, server: str, token: str, ca_pem: bytes | None = None, name: str = "shipway") -> None:
    """Writes `path` anew. `server` is a URL; without `ca_pem` it is plain HTTP. JSON is YAML, so every reader takes it."""
    cluster: dict[str, str] = {"server": server}
    if ca_pem:
        cluster["certificate-authority-data"] = base64.b64encode(ca_pem).decode()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "default"}}],
        "current-context": name,
    }
    write_private(path, orjson.dumps(config, option=orjson.OPT_INDENT_2) + b"\n")
