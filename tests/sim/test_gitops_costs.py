"""What the GitOps engine costs, in requests: of an application, of a commit, of rest and of a restart. Counts, not times."""

from collections import Counter
from collections.abc import Callable

import pytest

from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS, SERVICES
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from shipway.kube.objects.wire import Request
from tests.sim.gitops_objects import config, service
from tests.sim.gitops_world import World, application, simulate

APPS = 12
Costs = Callable[[], Counter[str]]


def url_of(number: int) -> str:
    return f"https://git.test/{number}.git"


def objects_of(number: int, text: str = "first") -> list[Obj]:
    return [{**config(f"a-{number}"), "data": {"text": text}}, config(f"b-{number}"), config(f"c-{number}")]


def counted(there: World) -> Costs:
    """What was asked of the API server since the last call, by kind of request; watches that are opened anew do not count."""
    seen: Counter[str] = Counter()
    send = there.engine.send

    async def counting(request: Request):
        kind = next((kind for kind in ("events", "applications", "configmaps") if kind in request.path.split("/")), "other")
        trial = "try " if ("dryRun", "All") in request.query else ""
        if ("watch", "true") not in request.query:
            seen[f"{trial}{request.method} {kind}"] += 1
        return await send(request)

    there.engine.send = counting

    def costs() -> Counter[str]:
        found = Counter(seen)
        seen.clear()
        return found

    return costs


async def deployed(there: World) -> None:
    for number in range(APPS):
        there.add_repository(url_of(number), objects_of(number))
        source = {"repoURL": url_of(number), "path": "deploy", "targetRevision": "main"}
        await there.user.create(APPLICATIONS, application(f"app-{number}", source=source))
    for number in range(APPS):
        await there.until(lambda app: dig(app, "status", "sync", "status") == "Synced", name=f"app-{number}")
    await there.settle()


def renders(there: World) -> int:
    return sum(there.repositories[url_of(number)].renders for number in range(APPS))


def passes(there: World) -> float:
    labels = {"controller": "gitops-application"}
    return there.runtime.metrics.registry.get_sample_value("shipway_passes_total", labels) or 0.0


@pytest.mark.proves("gitops:costs-in-requests")
def test_a_first_sync_tries_and_writes_each_object_once_and_the_application_twice() -> None:
    async def story(there: World) -> None:
        costs = counted(there)
        await deployed(there)
        spent = costs()
        assert spent["PATCH configmaps"] == 3 * APPS
        assert spent["try PATCH configmaps"] == 2 * APPS, "the first goes alone: its own write tries it"
        assert spent["PUT applications"] == 2 * APPS, "what is begun, and how it ended"
        assert 4 * APPS <= spent["POST events"] <= 6 * APPS, "begun, ended, Synced, Healthy, and what was told on the way"
        assert renders(there) == APPS
        assert passes(there) <= 6 * APPS, "new, head, render, tried and applied, and a look at how it ended"

    simulate(story, [])


def test_an_hour_of_rest_costs_nothing() -> None:
    async def story(there: World) -> None:
        costs = counted(there)
        await deployed(there)
        costs()
        before = passes(there)
        await there.settle(3600.0)
        assert not costs()
        assert renders(there) == APPS
        assert passes(there) == before, "nobody thinks when nothing happens"

    simulate(story, [])


def test_a_commit_to_one_costs_that_one() -> None:
    async def story(there: World) -> None:
        costs = counted(there)
        await deployed(there)
        costs()
        there.repositories[url_of(7)].commit(objects_of(7, "second"))
        there.webhook()
        await there.settle()
        spent = costs()
        assert dig(await there.user.get(CONFIG_MAPS, "shop", "a-7"), "data", "text") == "second"
        assert renders(there) == APPS + 1
        assert {kind: times for kind, times in spent.items() if "events" not in kind} == {
            "PATCH configmaps": 1,
            "PUT applications": 2,
        }
        assert spent.total() <= 8, "besides, an event for each thing that happened"

    simulate(story, [])


@pytest.mark.proves("gitops:costs-in-requests")
def test_a_change_of_health_is_one_look_and_one_write() -> None:
    async def story(there: World) -> None:
        costs = counted(there)
        await there.user.create(APPLICATIONS, application())
        await there.until(lambda app: dig(app, "status", "health", "status") == "Progressing")
        await there.settle()
        before, _ = passes(there), costs()
        address = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}}
        await there.user.patch(SERVICES, "shop", "web", address, subresource="status")
        await there.until(lambda app: dig(app, "status", "health", "status") == "Healthy")
        await there.settle()
        spent = costs()
        assert (spent["PUT applications"], passes(there) - before) == (1, 1), "nobody looks again at what is only told"
        assert spent.total() - spent["POST events"] == 1
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"metadata": {"labels": {"looked": "again"}}})
        await there.settle()
        assert (passes(there) - before, costs().total()) == (2, 0), "and who does has nothing to add"

    exposed = service()
    exposed["spec"]["type"] = "LoadBalancer"
    simulate(story, [exposed])


def test_a_restart_writes_and_tries_nothing() -> None:
    async def story(there: World) -> None:
        costs = counted(there)
        await deployed(there)
        costs()
        there.restart()
        await there.settle(30.0)
        assert not [kind for kind in costs() if not kind.startswith("GET")]
        assert renders(there) == 2 * APPS, "here no renders are kept on disk; where they are, none is made"
        assert passes(there) <= 6 * APPS, "nobody looks again and again whether lists have come"

    simulate(story, [])


DEPLOYS = 360


@pytest.mark.proves("000-16")
def test_the_last_of_many_deploys_takes_no_longer_and_costs_no_more_than_the_first() -> None:
    """Hours of deploys in bursts: the seconds until one is live, its writes and its passes stay what they are."""

    async def story(there: World) -> None:
        costs = counted(there)
        await deployed(there)
        costs()
        took, spent, looked = [], [], []
        for number in range(DEPLOYS):
            began, before = there.clock.now(), passes(there)
            app = number % APPS
            head = there.repositories[url_of(app)].commit(objects_of(app, f"deploy {number}"))
            there.webhook()
            await there.until(lambda app, head=head: is_live(app, head), name=f"app-{app}")
            took.append(there.clock.now() - began)
            await there.settle(0.0 if number % 10 else 240.0)
            spent.append(sum(times for kind, times in costs().items() if not kind.startswith("GET")))
            looked.append(passes(there) - before)
        for figures in (took, looked):
            first, last = p99(figures[: DEPLOYS // 3]), p99(figures[-DEPLOYS // 3 :])
            assert last <= first * 1.05, (first, last)
        # Events are written some time later, so which deploy they are counted to is chance.
        first, last = sum(spent[: DEPLOYS // 3]), sum(spent[-DEPLOYS // 3 :])
        assert last <= first * 1.05, (first, last)
        config_map = await there.user.get(CONFIG_MAPS, "shop", f"a-{(DEPLOYS - 1) % APPS}")
        assert config_map["data"]["text"] == f"deploy {DEPLOYS - 1}"

    simulate(story, [])


def is_live(app: Obj, head: str) -> bool:
    """Whether what runs is that commit and nothing is under way."""
    sync = dig(app, "status", "sync", default={})
    return sync.get("status") == "Synced" and sync.get("revision") == head and "operation" not in app


def p99(figures: list[float]) -> float:
    return sorted(figures)[int(len(figures) * 0.99)]
