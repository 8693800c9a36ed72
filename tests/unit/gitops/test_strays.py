"""The index of orphans: only what changes the answer is told, and it is what a look at everything would find."""

import random

import pytest

from shipway.api.kinds import CONFIG_MAPS, SECRETS, STATEFUL_SETS
from shipway.assembly.resource_tree import CLAIMS
from shipway.gitops.strays import Strays
from shipway.kube.objects.resource import Obj, Ref, Resource
from shipway.kube.objects.views import name_of, namespace_of


def obj(name: str, app: str = "", namespace: str = "shop", kind: str = "ConfigMap", **meta: object) -> Obj:
    annotations = {"argocd.argoproj.io/tracking-id": f"{app}:/{kind}:{namespace}/{name}"} if app else {}
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations, **meta},
    }


class Index:
    """With Applications that exist, and the news it told."""

    def __init__(self, *applications: str) -> None:
        self.applications = set(applications)
        self.news: list[str] = []
        self.strays = Strays(self.applications.__contains__, self.news.append)

    def names(self, namespace: str = "shop") -> list[str]:
        return sorted(ref.name for ref in self.strays.of(namespace))

    def told(self) -> list[str]:
        news = list(self.news)
        self.news.clear()
        return news


@pytest.mark.proves("002-30")
def test_noise_is_not_news() -> None:
    index = Index("web")
    index.strays.met(CONFIG_MAPS, obj("leader"))
    index.strays.met(CONFIG_MAPS, obj("settings", "web"))
    assert index.told() == ["shop"] and index.names() == ["leader"]
    for version in map(str, range(1000)):
        index.strays.met(CONFIG_MAPS, obj("leader", resourceVersion=version, labels={"at": version}))
        index.strays.met(CONFIG_MAPS, obj("settings", "web", resourceVersion=version))
        index.strays.met(CONFIG_MAPS, obj("kube-root-ca.crt", resourceVersion=version))
        index.strays.met(CONFIG_MAPS, obj("owned", ownerReferences=[{"uid": "u"}], resourceVersion=version))
    assert index.told() == [] and index.names() == ["leader"]


def test_owner_tracking_and_existence_are_news() -> None:
    index = Index("web", "shop")
    met, lost = index.strays.met, index.strays.lost
    met(CONFIG_MAPS, obj("a"))
    met(CONFIG_MAPS, obj("a", "web"))
    assert index.told() == ["shop", "shop"] and index.names() == []
    met(CONFIG_MAPS, obj("a", "shop"))
    assert index.told() == [], "from one Application to another"
    met(CONFIG_MAPS, obj("a", "gone"))
    met(CONFIG_MAPS, obj("a", ownerReferences=[{"uid": "u"}]))
    lost(CONFIG_MAPS, "shop", "a")
    assert index.told() == ["shop", "shop"] and index.names() == []
    met(CONFIG_MAPS, obj("b", namespace="other"))
    lost(CONFIG_MAPS, "other", "b")
    assert index.told() == ["other", "other"] and index.names("other") == []


def test_an_application_that_goes_concerns_its_namespaces_only() -> None:
    index = Index("web", "shop")
    for one in (obj("a", "web"), obj("b", "shop"), obj("c", "web", "far"), obj("d", "shop", "other")):
        index.strays.met(CONFIG_MAPS, one)
    assert index.told() == []
    index.applications.discard("web")
    index.strays.application_changed("web")
    assert sorted(index.told()) == ["far", "shop"] and index.names() == ["a"] and index.names("far") == ["c"]
    index.applications.add("web")
    index.strays.application_changed("web")
    assert sorted(index.told()) == ["far", "shop"] and index.names() == []
    index.strays.application_changed("unheard of")
    assert index.told() == []


def test_what_a_list_no_longer_has_is_gone() -> None:
    index = Index()
    for resource, one in ((CONFIG_MAPS, obj("a")), (CONFIG_MAPS, obj("b")), (SECRETS, obj("c", kind="Secret"))):
        index.strays.met(resource, one)
    index.told()
    index.strays.only(CONFIG_MAPS, lambda namespace, name: name == "b")
    assert index.names() == ["b", "c"] and index.told() == ["shop"]


def test_the_claims_of_a_stateful_set_are_orphans_once_it_is_gone() -> None:
    index = Index("web")
    met, lost, only = index.strays.met, index.strays.lost, index.strays.only
    met(CLAIMS, obj("data-db-0", kind=CLAIMS.kind))
    met(CLAIMS, obj("mine-db-0", "web", kind=CLAIMS.kind))
    assert index.told() == ["shop"] and index.names() == ["data-db-0"]
    met(STATEFUL_SETS, obj("db", "web", kind="StatefulSet"))
    met(STATEFUL_SETS, obj("db", "web", "far", kind="StatefulSet"))
    met(CLAIMS, obj("data-db-1", kind=CLAIMS.kind))
    assert index.told() == ["shop"] and index.names() == []
    lost(CLAIMS, "shop", "data-db-1")
    lost(STATEFUL_SETS, "far", "db")
    assert index.told() == []
    only(STATEFUL_SETS, lambda *_: False)
    assert index.told() == ["shop"] and index.names() == ["data-db-0"]
    met(STATEFUL_SETS, obj("db", kind="StatefulSet"))
    only(CLAIMS, lambda *_: False)
    index.told()
    lost(STATEFUL_SETS, "shop", "db")
    assert index.names() == []


@pytest.mark.parametrize("seed", range(20))
def test_it_is_what_a_look_at_everything_finds_and_every_difference_was_told(seed: int) -> None:
    rng, index = random.Random(seed), Index()
    live: dict[tuple[Resource, str, str], Obj] = {}
    before: dict[str, frozenset[Ref]] = {}
    for _ in range(400):
        app = rng.choice("xyz")
        match rng.randrange(4):
            case 0:
                (index.applications.discard if app in index.applications else index.applications.add)(app)
                index.strays.application_changed(app)
            case 1 if live:
                resource, namespace, name = rng.choice(list(live))
                del live[(resource, namespace, name)]
                index.strays.lost(resource, namespace, name)
            case _:
                resource = rng.choice((CONFIG_MAPS, SECRETS, STATEFUL_SETS, CLAIMS))
                owned = {"ownerReferences": [{"uid": "u"}]} if rng.random() < 0.2 else {}
                name = rng.choice("abc") if resource is not CLAIMS else f"data-{rng.choice('abc')}-0"
                one = obj(name, rng.choice(("", app)), rng.choice(("n", "m")), resource.kind, **owned)
                live[(resource, namespace_of(one), name_of(one))] = one
                index.strays.met(resource, one)
        news = index.told()
        for namespace in ("n", "m"):
            found = index.strays.of(namespace)
            assert found == looked_up(live, namespace, index.applications)
            assert found == before.get(namespace, frozenset()) or namespace in news
            before[namespace] = found


def looked_up(live: dict[tuple[Resource, str, str], Obj], namespace: str, applications: set[str]) -> frozenset[Ref]:
    sets = {name for resource, there, name in live if resource is STATEFUL_SETS and there == namespace}
    return frozenset(
        Ref(resource.group, resource.kind, namespace, name)
        for (resource, there, name), one in live.items()
        if resource is not CLAIMS or name.split("-")[1] not in sets
        if there == namespace and "ownerReferences" not in one["metadata"]
        if not (tracking := one["metadata"]["annotations"]) or next(iter(tracking.values())).split(":")[0] not in applications
    )
