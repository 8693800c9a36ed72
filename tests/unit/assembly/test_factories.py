"""Where the tokens of forges come from, and who is lent none."""

import random
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from shipway.adapters.git.github_app import InstallationTokens
from shipway.api.forges import BranchesQuery, ForgeTerms, PullRequestsQuery
from shipway.api.kinds import NAMESPACES, SECRETS
from shipway.api.metrics import HttpAnswer, HttpCall
from shipway.appsets.asks import BranchesAsk, PullRequestsAsk
from shipway.assembly.factories import ForgeAccess, is_about
from shipway.base.clock import SystemClock
from shipway.base.errors import Denied, InvalidInput, NotFound
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.localcluster.apiserver.server import ApiServer


async def nobody(call: HttpCall) -> HttpAnswer:
    raise AssertionError(f"{call.purpose} was asked")


def ask(secret: str = "forge", key: str = "token", namespace: str = "argocd") -> PullRequestsAsk:
    return PullRequestsAsk(PullRequestsQuery("github", "acme", "shop", secret=secret, key=key), namespace)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """A cluster with the namespaces argocd and team-a."""
    server = await ApiServer.open(path=None, clock=SystemClock(), ids=RandomIds(random.Random(1)))
    made = Client(server, manager="test")
    for name in ("argocd", "team-a"):
        await made.create(NAMESPACES, {"metadata": {"name": name}})
    yield made
    await server.close()


async def keep(client: Client, name: str, namespace: str = "argocd", kind: str = "", **values: str) -> None:
    """A Secret, of a kind as Argo CD labels them."""
    labels = {"argocd.argoproj.io/secret-type": kind} if kind else {}
    await client.create(SECRETS, {"metadata": {"namespace": namespace, "name": name, "labels": labels}, "stringData": values})


def access(client: Client) -> ForgeAccess:
    return ForgeAccess(client, "argocd", nobody, InstallationTokens(SystemClock()))


async def test_a_token_is_read_from_the_secret_beside_the_set_and_lent_to_no_other_namespace(client: Client) -> None:
    for namespace in ("argocd", "team-a"):
        await keep(client, "forge", namespace, token=f"of {namespace}\n")
    login = access(client).login
    assert await login(ask()) == ("", "of argocd")
    assert await login(ask("")) == ("", "")
    with pytest.raises(Denied, match="for sets in argocd only"):
        await login(ask(namespace="team-a"))
    allowed = ForgeTerms(allowed=("https://git.acme.test",))
    assert await login(replace(ask(namespace="team-a"), terms=allowed)) == ("", "of team-a")
    with pytest.raises(InvalidInput, match="Secret argocd/forge has no key other"):
        await login(ask(key="other"))
    with pytest.raises(NotFound):
        await login(ask("missing"))


@pytest.mark.compat("argocd:appset.tokenref.strict")
async def test_where_the_terms_are_strict_only_a_secret_that_is_marked_for_it_lends_its_token(client: Client) -> None:
    for name, kind in (("forge", "scm-creds"), ("argocd-secret", ""), ("repo", "repository")):
        await keep(client, name, kind=kind, token="s3cret")
    login, strict = access(client).login, ForgeTerms(is_strict=True)
    assert await login(replace(ask(), terms=strict)) == ("", "s3cret")
    for name in ("argocd-secret", "repo"):
        must = "secret must have label .argocd.argoproj.io/secret-type.="
        told = f"secret argocd/{name} is not a valid SCM creds secret: {must}.scm-creds."
        with pytest.raises(Denied, match=f"^error fetching Secret token: {told}"):
            await login(replace(ask(name), terms=strict))
        branches = BranchesAsk(BranchesQuery("github", "acme", secret=name, key="token"), "argocd", terms=strict)
        with pytest.raises(Denied, match=f"^scm provider: error fetching Github token: {told}"):
            await login(branches)
        app = PullRequestsAsk(PullRequestsQuery("github", "acme", "shop", app_secret=name), "argocd", terms=strict)
        with pytest.raises(Denied, match=f"{must}.repo-creds."):
            await login(app)
    assert await login(ask("argocd-secret")) == ("", "s3cret")


@pytest.mark.compat("argocd:appset.allowed.scm.providers")
async def test_an_app_is_lent_no_token_by_a_server_that_is_not_allowed(client: Client) -> None:
    """Its Secret says where its API is when the set does not."""
    app = {"githubAppID": "1", "githubAppPrivateKey": "key", "githubAppEnterpriseBaseUrl": "https://evil.test"}
    await keep(client, "app", **app)
    terms = ForgeTerms(allowed=("https://git.acme.test",))
    question = PullRequestsAsk(PullRequestsQuery("github", "acme", "shop", app_secret="app"), "argocd", terms=terms)
    with pytest.raises(Denied, match=r"scm provider .https://evil\.test. not allowed"):
        await access(client).login(question)


@pytest.mark.parametrize(
    ("query", "urls", "is_told"),
    [
        (PullRequestsQuery("github", "acme", "shop"), ("https://github.com/Acme/Shop.git",), True),
        (PullRequestsQuery("github", "acme", "shop"), ("git@github.com:acme/shop.git",), True),
        (PullRequestsQuery("github", "acme", "shop"), ("https://github.com/acme/workshop",), False),
        (PullRequestsQuery("gitlab", "", "acme/team/shop"), ("https://gitlab.com/acme/team/shop",), True),
        (PullRequestsQuery("gitlab", "", "4711"), ("https://gitlab.com/acme/shop",), True),
        (PullRequestsQuery("gitea", "acme", "shop"), (), False),
        (BranchesQuery("github", "acme"), ("https://github.com/acme/shop",), True),
        (BranchesQuery("github", "acme"), ("https://github.com/acme-two/shop",), False),
        (BranchesQuery("gitlab", "acme/team"), ("https://gitlab.com/acme/team/sub/shop",), True),
    ],
)
def test_a_webhook_wakes_who_asks_about_its_repository(
    query: PullRequestsQuery | BranchesQuery, urls: tuple[str, ...], is_told: bool
) -> None:
    assert is_about(query, urls) == is_told
