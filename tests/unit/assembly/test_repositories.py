"""Which Secret says how to log in where, and that a change of one counts at once, for whom it concerns."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from shipway.api.kinds import CONFIG_MAPS, NAMESPACES, SECRETS
from shipway.api.repositories import Credentials, Repository
from shipway.assembly.repositories import Logins, Repositories
from shipway.base.clock import SystemClock
from shipway.base.errors import InvalidInput
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.localcluster.apiserver.server import ApiServer
from tests.waiting import eventually


def logins(*found: Repository) -> Logins:
    made = Logins()
    for one in found:
        made.put(one)
    return made


def repository(url: str, password: str = "", **more: object) -> Repository:
    return Repository(url, f"{url}-{password}", credentials=Credentials(password=password), **more)  # type: ignore[arg-type]


def template(url: str, password: str) -> Repository:
    return repository(url, password, is_template=True)


TEMPLATES = (
    template("https://git.example", "host"),
    template("https://git.example/shop/", "team"),
    template("https://git.example/shop/we", "beginning"),
    template("git@ssh.example", "ssh host"),
    template("git@ssh.example:shop", "ssh team"),
    template("https://port.example:8443", "port"),
)


@pytest.mark.parametrize(
    ("url", "password"),
    [
        ("https://git.example/other/x", "host"),
        ("https://GIT.example/Shop/x.git", "team"),
        ("https://git.example/shop/web", "beginning"),
        ("https://git.example/shopping/x", "host"),
        ("https://git.example.evil/shop/x", ""),
        ("https://git.example:8443/x", ""),
        ("https://git.examples/x", ""),
        ("http://git.example/x", ""),
        ("ssh://git@ssh.example/other/x", "ssh host"),
        ("git@ssh.example:shop/x.git", "ssh team"),
        ("https://port.example:8443/x", "port"),
        ("https://port.example/x", ""),
    ],
)
@pytest.mark.compat("argocd:repository.repo-creds")
def test_the_longest_prefix_lends_and_hosts_are_whole(url: str, password: str) -> None:
    assert logins(*TEMPLATES).credentials(url).password == password


@pytest.mark.compat("argocd:repository.repository")
def test_a_secret_of_the_repository_itself_comes_first() -> None:
    found = logins(*TEMPLATES, repository("https://git.example/shop/web.git", "own"), repository("https://git.example/a"))
    assert found.credentials("https://git.example/Shop/web").password == "own"
    assert found.credentials("https://git.example/a").password == "host"
    found.remove(repository("https://git.example/shop/web.git", "own"))
    assert found.credentials("https://git.example/Shop/web").password == "beginning"


@pytest.mark.proves("gitops:project-repositories")
@pytest.mark.compat("argocd:repository.project")
def test_a_secret_of_a_project_serves_that_project_alone() -> None:
    url = "https://git.example/shop/web"
    found = logins(
        repository(url, "bank's", project="bank"),
        repository(url, "everybody's"),
        repository("https://git.example/only", "bank's", project="bank"),
        template("https://git.example", "lent"),
        repository("https://git.example", "lent to the bank", is_template=True, project="bank"),
    )
    assert [found.credentials(url, project).password for project in ("bank", "shop", "")] == ["bank's"] + ["everybody's"] * 2
    assert [found.credentials(url, project).project for project in ("bank", "shop", "")] == ["bank", "", ""]
    only = "https://git.example/only"
    assert [found.credentials(only, project).password for project in ("bank", "shop", "")] == ["bank's", "lent", "lent"]
    other = "https://git.example/other"
    assert [found.credentials(other, project).password for project in ("bank", "shop")] == ["lent to the bank", "lent"]
    assert [found.credentials(other, project).project for project in ("bank", "shop")] == ["bank", ""]


def test_one_that_cannot_be_used_is_said_only_where_it_counts() -> None:
    broken = repository("https://git.example", is_template=True, problem="Secret x: githubAppID is not supported yet: …")
    found = logins(broken, repository("https://git.example/own", "own"))
    with pytest.raises(InvalidInput, match=r"repository https://git\.example/x: Secret x: githubAppID is not") as caught:
        found.credentials("https://git.example/x")
    assert caught.value.reason == "InvalidLogin"
    assert found.credentials("https://git.example/own").password == "own"


# --- watched ------------------------------------------------------------------------------------------------------------


class Cluster:
    """An API server with the namespace argocd, and what a listener was told of these URLs."""

    urls = ("https://git.example/shop/web", "https://git.example/other", "ssh://git@git.example/shop")

    def __init__(self, client: Client) -> None:
        self.client = client
        self.repositories = Repositories(client, SystemClock(), "argocd")
        self.told: list[list[str]] = []
        self.repositories.on_change(lambda concerns: self.told.append([url for url in self.urls if concerns(url)]))

    def body(self, name: str, values: dict[str, str], kind: str = "repository") -> dict[str, object]:
        meta = {"name": name, "namespace": "argocd", "labels": {"argocd.argoproj.io/secret-type": kind}}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": values}

    async def next(self) -> list[str]:
        """What the listener was told first of what it was told since the last time."""
        await eventually(lambda: self.told)
        return self.told.pop(0)


@pytest_asyncio.fixture
async def cluster() -> AsyncGenerator[Cluster, None]:
    server = await ApiServer.open(path=None, clock=SystemClock(), ids=RandomIds())
    client = Client(server, manager="test")
    for name in ("argocd", "elsewhere"):
        await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    made = Cluster(client)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(made.repositories.run())
        await made.repositories.synced()
        yield made
        running.cancel()
    await server.close()


@pytest.mark.compat("argocd:repository.repository")
async def test_a_secret_counts_at_once_and_is_forgotten_at_once(cluster: Cluster) -> None:
    web, other, ssh = cluster.urls
    password = {"url": web, "password": "one"}
    assert cluster.repositories.credentials(web) == Credentials()
    await cluster.client.create(SECRETS, cluster.body("web", password))
    assert await cluster.next() == [web]
    assert cluster.repositories.credentials(web).password == "one"
    await cluster.client.patch(SECRETS, "argocd", "web", {"stringData": {"password": "two"}})
    assert await cluster.next() == [web]
    assert cluster.repositories.credentials(web).password == "two"
    await cluster.client.create(SECRETS, cluster.body("all", {"url": "https://git.example", "password": "t"}, "repo-creds"))
    assert await cluster.next() == [web, other]
    assert cluster.repositories.credentials(other).password == "t"
    await cluster.client.patch(SECRETS, "argocd", "web", {"metadata": {"labels": {"argocd.argoproj.io/secret-type": None}}})
    assert await cluster.next() == [web]
    assert cluster.repositories.credentials(web).password == "t"
    await cluster.client.delete(SECRETS, "argocd", "all")
    assert await cluster.next() == [web, other]
    assert cluster.repositories.credentials(web) == Credentials()
    assert cluster.told == []
    assert cluster.repositories.credentials(ssh) == Credentials()


@pytest.mark.compat("argocd:repository.write")
async def test_a_login_for_pushing_is_none_for_reading_and_the_other_way_round(cluster: Cluster) -> None:
    web, other, _ = cluster.urls
    there = cluster.repositories
    await cluster.client.create(
        SECRETS, cluster.body("w", {"url": web, "password": "w", "project": "shop"}, "repository-write")
    )
    await cluster.client.create(SECRETS, cluster.body("t", {"url": "https://git.example", "password": "t"}, "repo-write-creds"))
    await eventually(
        lambda: there.write_credentials(other).password == "t" and there.write_credentials(web, "shop").password == "w"
    )
    assert there.write_credentials(web).password == "t"  # the Secret of one project serves no other
    assert (there.credentials(web, "shop"), there.known()) == (Credentials(), [])
    await cluster.client.create(SECRETS, cluster.body("r", {"url": other, "password": "r"}))
    assert await cluster.next() == [other]  # whoever reads hears of logins for reading alone
    assert (there.credentials(other).password, there.write_credentials(other).password) == ("r", "t")
    change = {"metadata": {"labels": {"argocd.argoproj.io/secret-type": "repository-write"}}}
    await cluster.client.patch(SECRETS, "argocd", "r", change)
    assert await cluster.next() == [other]
    assert (there.credentials(other), there.write_credentials(other).password) == (Credentials(), "r")


async def test_secrets_of_other_namespaces_say_nothing(cluster: Cluster) -> None:
    body = cluster.body("web", {"url": cluster.urls[0], "password": "x"})
    body["metadata"] = {**body["metadata"], "namespace": "elsewhere"}  # type: ignore[dict-item]
    await cluster.client.create(SECRETS, body)
    await cluster.client.create(SECRETS, cluster.body("other", {"url": cluster.urls[1], "password": "x"}))
    assert await cluster.next() == [cluster.urls[1]]
    assert cluster.repositories.credentials(cluster.urls[0]) == Credentials()


@pytest.mark.compat("argocd:cm.known-hosts")
async def test_known_hosts_and_authorities_come_from_their_config_maps(cluster: Cluster) -> None:
    web, other, ssh = cluster.urls

    async def put(name: str, values: dict[str, str]) -> None:
        meta = {"name": name, "namespace": "argocd"}
        await cluster.client.create(CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": values})

    await put("argocd-ssh-known-hosts-cm", {"ssh_known_hosts": "git.example ssh-ed25519 AAAA"})
    assert await cluster.next() == [ssh]
    assert cluster.repositories.credentials(ssh).known_hosts == "git.example ssh-ed25519 AAAA"
    await put("argocd-tls-certs-cm", {"git.example": "PEM", "else.example": "OTHER"})
    assert await cluster.next() == [web, other, ssh]
    assert cluster.repositories.credentials(web).ca_bundle == "PEM"
    assert cluster.repositories.credentials("https://git.example:8443/x").ca_bundle == "PEM"
    await cluster.client.patch(CONFIG_MAPS, "argocd", "argocd-tls-certs-cm", {"data": {"else.example": None}})
    assert await cluster.next() == []
