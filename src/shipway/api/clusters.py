"""What Argo CD users write about their clusters: Secrets labelled `cluster`, each a destination of Applications.

    data.name, data.server        what Applications call it; the server is the identity
    data.project                  the AppProject that it belongs to
    data.namespaces               a,b: the only namespaces that are managed; none: all of them
    data.clusterResources         "true": kinds without a namespace too, where `namespaces` says something
    data.shard                    see `Cluster.notes`
    data.config                   JSON: how to log in (bearerToken, username and password, tlsClientConfig, execProviderConfig)

A `Cluster` is one such Secret, read. It holds secrets, so it never shows more than its place when it is printed.
"""

import base64
import binascii
from typing import Any

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from shipway.api.application import IN_CLUSTER_NAME, IN_CLUSTER_SERVER
from shipway.api.repositories import SECRET_TYPE
from shipway.base.errors import InvalidInput
from shipway.base.names import is_object_name
from shipway.kube.client.kubeconfig import ClusterConfig, ExecPlugin
from shipway.kube.objects.reach import EVERYWHERE, Reach
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.secrets import secret_values
from shipway.kube.objects.views import name_of

CLUSTER = "cluster"
CLUSTER_SELECTOR = f"{SECRET_TYPE}={CLUSTER}"
_AWS = (
    "config.awsAuthConfig is not supported: put `aws eks get-token --cluster-name NAME` into config.execProviderConfig, as "
    "`aws eks update-kubeconfig` does"
)


class TlsFields(Struct, frozen=True, rename="camel"):
    """PEM, base64 once more: Go writes bytes so."""

    insecure: bool = False
    server_name: str = ""
    ca_data: str | None = None
    cert_data: str | None = None
    key_data: str | None = None


class ExecFields(Struct, frozen=True, rename="camel"):
    command: str = ""
    args: tuple[str, ...] | None = None
    env: dict[str, str] | None = None
    api_version: str = ""
    install_hint: str = ""


class ConfigFields(Struct, frozen=True, rename="camel"):
    """`data.config`."""

    username: str = ""
    password: str = ""
    bearer_token: str = ""
    tls_client_config: TlsFields = TlsFields()
    exec_provider_config: ExecFields | None = None
    aws_auth_config: dict[str, Any] | None = field(name="awsAuthConfig", default=None)
    proxy_url: str = ""


class Cluster(Struct, frozen=True):
    """`secret`: the name of the Secret, "" where none describes the cluster that we live in. `problem`: why it cannot be used;
    `notes`: what the Secret says that has no effect, and why."""

    server: str
    name: str = ""
    project: str = ""
    secret: str = ""
    config: ClusterConfig | None = None
    problem: str = ""
    notes: tuple[str, ...] = ()
    reach: Reach = EVERYWHERE
    """What of it is managed."""

    def __repr__(self) -> str:
        return f"Cluster({self.name!r}, {self.server!r})"

    @property
    def key(self) -> str:
        """What `Resource.cluster` says of it: "" is the cluster that we live in."""
        return "" if self.server == IN_CLUSTER_SERVER else self.server


HERE = Cluster(IN_CLUSTER_SERVER, IN_CLUSTER_NAME)


def parse_cluster(secret: Obj) -> Cluster:
    """Never fails: what is wrong stands in `problem`."""
    said = secret_values(secret)
    server = normalized(said.get("server", ""))
    found = Cluster(server, said.get("name", ""), said.get("project", ""), name_of(secret), notes=_notes(said))
    try:
        found = replace(found, reach=_reach(said))
        return replace(found, config=_config(server, said.get("config", ""))) if found.key else found
    except InvalidInput as error:
        return replace(found, problem=f"Secret {found.secret}: {error.message}")


def normalized(server: str) -> str:
    return server.strip().rstrip("/")


def _notes(said: dict[str, str]) -> tuple[str, ...]:
    return ("shard has no effect: replicas share Applications, not clusters",) if said.get("shard") else ()


def _reach(said: dict[str, str]) -> Reach:
    parts = (part.strip() for part in said.get("namespaces", "").split(","))
    names = tuple(sorted({part for part in parts if part}))
    for name in names:
        if not is_object_name(name):
            raise InvalidInput(f"namespaces: {name!r} is not the name of a namespace: write a,b, and nothing for all of them")
    return Reach(names, bool(names) and said.get("clusterResources") == "true")


def _config(server: str, text: str) -> ClusterConfig:
    if not server.startswith(("https://", "http://")):
        raise InvalidInput("server is not a URL like https://host:6443")
    try:
        said = msgspec.json.decode(text or "{}", type=ConfigFields)
    except msgspec.DecodeError as error:
        raise InvalidInput(f"config is not what it should be: {error}") from None  # the message names paths, no values
    if said.aws_auth_config:
        raise InvalidInput(_AWS)
    tls = said.tls_client_config
    if tls.insecure and tls.ca_data:
        raise InvalidInput("config.tlsClientConfig: insecure and caData contradict each other: leave one of them out")
    if bool(tls.cert_data) != bool(tls.key_data):
        raise InvalidInput("config.tlsClientConfig: certData and keyData go together")
    return ClusterConfig(
        server=server,
        ca_data=_bytes(tls.ca_data, "caData"),
        insecure=tls.insecure,
        tls_server_name=tls.server_name,
        proxy_url=said.proxy_url,
        client_cert_data=_bytes(tls.cert_data, "certData"),
        client_key_data=_bytes(tls.key_data, "keyData"),
        token=said.bearer_token.strip(),
        username=said.username,
        password=said.password,
        plugin=_plugin(said.exec_provider_config) if said.exec_provider_config else None,
    )


def _bytes(text: str | None, name: str) -> bytes:
    try:
        return base64.b64decode(text or "", validate=False)
    except (binascii.Error, ValueError):
        raise InvalidInput(f"config.tlsClientConfig.{name} is not base64") from None


def _plugin(said: ExecFields) -> ExecPlugin:
    if not said.command:
        raise InvalidInput("config.execProviderConfig.command is missing")
    return ExecPlugin(
        command=said.command,
        args=said.args or (),
        env=tuple((said.env or {}).items()),
        api_version=said.api_version or "client.authentication.k8s.io/v1beta1",
        install_hint=said.install_hint,
    )


def cluster_secret(namespace: str, cluster: Cluster, labels: dict[str, str], annotations: dict[str, str]) -> Obj:
    """The Secret that describes a cluster with a token or a client certificate, named as Argo CD names it."""
    config = cluster.config or ClusterConfig(cluster.server)
    tls = {
        "insecure": config.insecure,
        "serverName": config.tls_server_name,
        "caData": _text(config.ca_data),
        "certData": _text(config.client_cert_data),
        "keyData": _text(config.client_key_data),
    }
    login = {
        "bearerToken": config.token,
        "tlsClientConfig": {key: value for key, value in tls.items() if value or key == "insecure"},
    }
    body = {key: value for key, value in login.items() if value}
    data = {
        "name": cluster.name,
        "server": cluster.server,
        "config": msgspec.json.encode(body).decode(),
        "project": cluster.project,
        "namespaces": ",".join(cluster.reach.namespaces),
        "clusterResources": "true" if cluster.reach.cluster_resources else "",
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": cluster.secret,
            "namespace": namespace,
            "labels": {**labels, SECRET_TYPE: CLUSTER},
            "annotations": annotations,
        },
        "type": "Opaque",
        "data": {key: _text(value.encode()) for key, value in data.items() if value},
    }


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
