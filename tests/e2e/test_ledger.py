"""The ledger by commands alone: what was deployed and done, by whom and why, and that nobody can change it unseen."""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator

import pytest

from shipway.api.kinds import APP_PROJECTS, APPLICATIONS
from shipway.api.ledger import SIGHT
from shipway.gitops.ledger import sight
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from tests.e2e.places import Place, Said, Shell, config_map
from tests.e2e.running import app_is, shipway_run, synced_to
from tests.postgres import PostgresServer, postgres_server

MESSAGE = "Merge pull request #12 from ada/two\n\nSay two\n\nReviewed-by: Ben <ben@example.com>"
REFRESH = {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}}
Tamper = Callable[[str], object]


class Kept:
    """Where one engine keeps its ledger: its environment, the flags of `audit`, and somebody who changes rows."""

    def __init__(self, env: dict[str, str], flags: list[str], tamper: Tamper) -> None:
        self.env = env
        self.flags = flags
        self.tamper = tamper


@pytest.fixture
def server(program: Callable[[str], str]) -> Iterator[PostgresServer]:
    with postgres_server(program) as one:
        yield one


@pytest.fixture(params=["file", "postgres"])
def kept(place: Place, request: pytest.FixtureRequest) -> Kept:
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("server")
        url = server.url()
        return Kept({"SHIPWAY_HISTORY": url}, [f"--history={url}"], server.ask)
    cache = place.home / "cache"

    def tamper(statement: str) -> None:
        with sqlite3.connect(cache / "history.db") as connection:
            connection.execute(statement)
        connection.close()

    return Kept({}, [f"--cache={cache}"], tamper)


async def entries(shipway: Shell, kept: Kept, are: Callable[[list[Obj]], bool]) -> list[Obj]:
    """The entries, oldest first, as soon as they are so."""
    for _ in range(200):
        said = await shipway("app", "audit", "shop", "-o", "json", *kept.flags)
        if said.code == 0 and are(found := json.loads(said.out)["items"][::-1]):
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(said)


async def pushed(place: Place) -> str:
    """A merge of a pull request that Ben has reviewed."""
    await asyncio.to_thread(place.copy.write, {"deploy/banner.yaml": config_map("two")})
    place.copy.git("add", "-A")
    place.copy.git("commit", "-q", "--author=Ada <ada@example.com>", "-m", MESSAGE)
    await asyncio.to_thread(place.copy.push)
    return await place.head()


@pytest.mark.timeout(300)
@pytest.mark.proves("000-21")
async def test_who_did_what_when_and_why_and_nobody_can_change_it_unseen(place: Place, kept: Kept) -> None:
    shipway = Shell(place)
    async with shipway_run(place.cluster.kubeconfig, place.home, **kept.env) as running:
        await running.ready()
        first = await place.head()
        await place.deliver_app()
        await app_is(place.client, "shop", synced_to(first))
        second = await pushed(place)
        await place.client.patch(APPLICATIONS, "argocd", "shop", REFRESH)
        await app_is(place.client, "shop", synced_to(second))
        assert (await shipway("app", "sync", "shop", "--reason", "sale begins")).code == 0
        assert (await shipway("app", "rollback", "shop", "0", "--reason", "two is wrong")).code == 0
        assert (await shipway("app", "resume", "shop", "--reason", "two was right")).code == 0
        await app_is(place.client, "shop", synced_to(second))

        found = await entries(shipway, kept, lambda found: len(found) >= 7)
        told = [(one["verb"], one.get("reason")) for one in found]
        assert told == [
            ("sync", None), ("sync", None), ("sync", "sale begins"),
            ("hold", "two is wrong"), ("rollback", "two is wrong"), ("resume", "two was right"), ("sync", None),
        ]  # fmt: skip
        assert found[1]["automated"] and found[1]["prior"] == [first]
        assert found[1]["commits"] == [
            {
                "revision": second,
                "author": "Ada <ada@example.com>",
                "subject": "Say two",
                "pullRequest": "#12",
                "approvers": ["Ben <ben@example.com>"],
            }
        ]
        assert found[2]["by"] and found[2]["began"] <= found[2]["ended"] <= found[2]["recordedAt"]
        assert [one["sequence"] for one in found] == list(range(1, 8))

        why = (await shipway("app", "why", "shop")).out.splitlines()
        assert why[1].startswith("Last deployed ") and second[:7] in why[1] and "before it" in why[1]
        app = await place.client.get(APPLICATIONS, "argocd", "shop")
        over_http = json.loads((await running.get("/ledger/argocd/shop", **{SIGHT: sight(app)})).text)
        assert [row["entry"] for row in over_http["items"]] == [one["id"] for one in found]

        for seen in ({}, {SIGHT: sight({**app, "spec": {}})}):  # who reaches the port and does not know the Application
            assert (await running.get("/ledger/argocd/shop", **seen)).status == 403

        verified = await shipway("app", "audit", "shop", "--verify", *kept.flags)
        assert (verified.code, verified.out[:13]) == (0, "7 entries of "), verified
        kept.tamper("update shipway_ledger set body = replace(body, 'sale begins', 'why not') where sequence = 3")
        verified = await shipway("app", "audit", "shop", "--verify", *kept.flags)
        assert verified.code == 1 and "entry 3 of shop" in verified.out and "it was changed" in verified.out
        assert await running.end() == 0
    kept.tamper("delete from shipway_ledger where sequence >= 3")
    verified = await shipway("app", "audit", "shop", "--verify", *kept.flags)
    assert verified.code == 1 and "entry 3 of shop" in verified.out and "the end was cut off" in verified.out


async def said_no(shipway: Shell, *arguments: str) -> Said:
    said = await shipway(*arguments)
    assert said.code == 2 and "asks for a reason" in said.err, said
    return said


@pytest.mark.proves("000-21")
async def test_a_project_that_wants_reasons_gets_them(place: Place) -> None:
    shipway = Shell(place)
    async with place.run() as running:
        await running.ready()
        annotations = {"metadata": {"annotations": {"shipway.dev/require-reason": "true"}}}
        await place.client.patch(APP_PROJECTS, "argocd", "default", annotations)
        await place.deliver_app()
        await app_is(place.client, "shop", synced_to(await place.head()))  # nobody is asked where nobody acts
        await said_no(shipway, "app", "sync", "shop")
        await said_no(shipway, "app", "delete", "shop")
        without = {"operation": {"sync": {}, "initiatedBy": {"username": "eve"}}}
        await place.client.patch(APPLICATIONS, "argocd", "shop", without)
        await app_is(place.client, "shop", lambda app: dig(app, "status", "operationState", "phase") == "Error")
        given = {"operation": {**without["operation"], "info": [{"name": "Reason", "value": "it is time"}]}}
        await place.client.patch(APPLICATIONS, "argocd", "shop", given)
        await app_is(place.client, "shop", lambda app: dig(app, "status", "operationState", "phase") == "Succeeded")
        assert (await shipway("app", "sync", "shop", "--reason", "it is time")).code == 0
        assert (await shipway("app", "delete", "shop", "--cascade", "none", "--reason", "moved")).code == 0
    said = await shipway("app", "audit", "shop", "-o", "json", f"--cache={place.home / 'cache'}")
    newest = json.loads(said.out)["items"][0]
    assert (newest["verb"], newest["reason"], newest["what"]) == ("delete", "moved", "cascade none")
