"""Secrets of clusters as users have them: what is read of them, and what is said of those that cannot be used."""

import base64
from typing import Any

import orjson
import pytest

from shipway.api.clusters import cluster_secret, parse_cluster
from shipway.kube.client.kubeconfig import ExecPlugin
from shipway.kube.objects.reach import EVERYWHERE, Reach
from shipway.kube.objects.resource import Obj

PEM = base64.b64encode(b"-----BEGIN").decode()


def secret(config: Any = None, **fields: str) -> Obj:
    text = config if isinstance(config, str) else orjson.dumps(config or {}).decode()
    said = {"name": "east", "server": "https://east:6443/", "config": text, **fields}
    data = {key: base64.b64encode(value.encode()).decode() for key, value in said.items()}
    return {"metadata": {"name": "cluster-east", "namespace": "argocd"}, "data": data}


@pytest.mark.compat("argocd:destination.clusters")
def test_every_way_to_log_in_is_read() -> None:
    config = {
        "bearerToken": "t0ken\n",
        "username": "ann",
        "password": "pa55",
        "tlsClientConfig": {"serverName": "kubernetes", "caData": PEM, "certData": PEM, "keyData": PEM},
        "execProviderConfig": {"command": "aws", "args": ["eks", "get-token"], "env": {"AWS_PROFILE": "prod"}},
        "proxyUrl": "http://proxy:3128",
    }
    cluster = parse_cluster(secret(config, project="team"))
    assert (cluster.server, cluster.key, cluster.name, cluster.project) == ("https://east:6443",) * 2 + ("east", "team")
    read = cluster.config
    assert read is not None and not cluster.problem
    assert (read.token, read.username, read.password, read.proxy_url) == ("t0ken", "ann", "pa55", "http://proxy:3128")
    assert (read.tls_server_name, read.insecure) == ("kubernetes", False)
    assert read.ca_data == read.client_cert_data == read.client_key_data == b"-----BEGIN"
    env = (("AWS_PROFILE", "prod"),)
    assert read.plugin == ExecPlugin("aws", ("eks", "get-token"), env, "client.authentication.k8s.io/v1beta1")
    assert "t0ken" not in repr(cluster)


@pytest.mark.parametrize(
    ("config", "fields", "told"),
    [
        ({"awsAuthConfig": {"clusterName": "prod"}}, {}, "config.awsAuthConfig is not supported: put `aws eks get-token"),
        ("{not json", {}, "config is not what it should be"),
        ({"bearerToken": 7}, {}, "config is not what it should be: Expected `str`, got `int` - at `$.bearerToken`"),
        ({"tlsClientConfig": {"insecure": True, "caData": PEM}}, {}, "insecure and caData contradict each other"),
        ({"tlsClientConfig": {"certData": PEM}}, {}, "certData and keyData go together"),
        ({"tlsClientConfig": {"caData": "a"}}, {}, "config.tlsClientConfig.caData is not base64"),
        ({"execProviderConfig": {"args": ["x"]}}, {}, "config.execProviderConfig.command is missing"),
        ({}, {"server": "east:6443"}, "server is not a URL like https://host:6443"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_secret(config: Any, fields: dict[str, str], told: str) -> None:
    cluster = parse_cluster(secret(config, **fields))
    assert cluster.problem.startswith("Secret cluster-east: ") and told in cluster.problem
    assert cluster.config is None


def test_what_has_no_effect_is_told() -> None:
    cluster = parse_cluster(secret(namespaces="a,b", clusterResources="true", shard="2"))
    assert [note.partition(" ")[0] for note in cluster.notes] == ["shard"]
    assert not cluster.problem


@pytest.mark.compat("argocd:destination.clusters.namespaces")
@pytest.mark.parametrize(
    ("fields", "reach"),
    [
        ({}, EVERYWHERE),
        ({"clusterResources": "true"}, EVERYWHERE),
        ({"namespaces": " "}, EVERYWHERE),
        ({"namespaces": "b, a,,b"}, Reach(("a", "b"))),
        ({"namespaces": "a", "clusterResources": "true"}, Reach(("a",), cluster_resources=True)),
        ({"namespaces": "a", "clusterResources": "yes"}, Reach(("a",))),
    ],
)
@pytest.mark.parametrize("server", ["https://east:6443", "https://kubernetes.default.svc"])
def test_which_namespaces_are_managed_is_read(fields: dict[str, str], reach: Reach, server: str) -> None:
    cluster = parse_cluster(secret(server=server, **fields))
    assert (cluster.reach, cluster.problem, cluster.notes) == (reach, "", ())
    again = cluster_secret("argocd", cluster, {}, {})
    assert parse_cluster(again).reach == reach


@pytest.mark.parametrize("server", ["https://east:6443", "https://kubernetes.default.svc"])
@pytest.mark.parametrize("written", ["*", "a,../b", "A"])
def test_what_is_no_name_of_a_namespace_opens_none(server: str, written: str) -> None:
    cluster = parse_cluster(secret(server=server, namespaces=written))
    assert cluster.problem.startswith("Secret cluster-east: namespaces: ")
    assert cluster.problem.endswith("is not the name of a namespace: write a,b, and nothing for all of them")


def test_a_secret_may_describe_the_cluster_that_we_live_in() -> None:
    cluster = parse_cluster(secret("no login is needed", server="https://kubernetes.default.svc", name="home"))
    assert (cluster.key, cluster.name, cluster.problem) == ("", "home", "")
