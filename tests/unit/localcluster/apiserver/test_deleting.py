"""Deletion: finalizers, grace, preconditions, propagation."""

from typing import Any

import pytest

from tests.unit.localcluster.apiserver.conftest import APPS, CORE, JSON_PATCH, Api, config_map, deployment, pod

MAPS = f"{CORE}/configmaps"


async def test_what_nobody_holds_goes_at_once(api: Api) -> None:
    made = await api.post(MAPS, config_map("a"))
    gone = await api.delete(f"{MAPS}/a")
    assert (gone.code, gone.body["kind"], gone.body["status"]) == (200, "Status", "Success")
    assert gone.body["details"] == {"name": "a", "kind": "configmaps", "uid": made.body["metadata"]["uid"]}
    assert (await api.delete(f"{MAPS}/a")).code == 404


async def test_a_finalizer_holds_until_it_is_taken_off(api: Api) -> None:
    await api.post(MAPS, config_map("a", finalizers=["example.com/hold"]))
    first = await api.delete(f"{MAPS}/a")
    assert first.body["metadata"]["deletionTimestamp"] == "2027-01-15T08:00:00Z"
    assert first.body["metadata"]["deletionGracePeriodSeconds"] == 0
    assert (await api.delete(f"{MAPS}/a")).body == first.body
    more = await api.patch(f"{MAPS}/a", {"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}})
    assert (more.code, more.causes[0][0]) == (422, "metadata.finalizers")
    kept = await api.patch(f"{MAPS}/a", {"metadata": {"deletionTimestamp": None}})
    assert kept.body["metadata"]["deletionTimestamp"]
    start = first.body["metadata"]["resourceVersion"]
    released = await api.patch(f"{MAPS}/a", [{"op": "remove", "path": "/metadata/finalizers"}], JSON_PATCH)
    assert released.code == 200
    assert (await api.get(f"{MAPS}/a")).code == 404
    (event,) = await api.watched(f"{MAPS}?watch=true&resourceVersion={start}", 1)
    assert event["type"] == "DELETED"
    assert event["object"]["metadata"]["finalizers"] == ["example.com/hold"]
    assert int(event["object"]["metadata"]["resourceVersion"]) > int(start)


@pytest.mark.parametrize(
    ("options", "finalizers"),
    [
        ({"propagationPolicy": "Foreground"}, ["foregroundDeletion"]),
        ({"propagationPolicy": "Orphan"}, ["orphan"]),
        ({"orphanDependents": True}, ["orphan"]),
    ],
)
async def test_propagation_is_written_down_as_a_finalizer(api: Api, options: Any, finalizers: list[str]) -> None:
    await api.post(f"{APPS}/deployments", deployment("web"))
    answer = await api.delete(f"{APPS}/deployments/web", options)
    assert answer.body["metadata"]["finalizers"] == finalizers
    assert answer.body["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"preconditions": {"uid": "other"}}, 409),
        ({"preconditions": {"resourceVersion": "1"}}, 409),
        ({"propagationPolicy": "Sideways"}, 422),
        ({"propagationPolicy": "Orphan", "orphanDependents": True}, 422),
        ({"dryRun": ["All"]}, 200),
    ],
)
async def test_refused_and_dry_deletions_leave_the_object(api: Api, options: Any, code: int) -> None:
    await api.post(MAPS, config_map("a"))
    assert (await api.delete(f"{MAPS}/a", options)).code == code
    assert (await api.get(f"{MAPS}/a")).code == 200


async def test_a_running_pod_is_given_its_grace(api: Api) -> None:
    await api.post(f"{CORE}/pods", pod("p", node="n1"))
    url = f"{CORE}/pods/p"
    asked = (await api.delete(url)).body["metadata"]
    assert (asked["deletionGracePeriodSeconds"], asked["deletionTimestamp"]) == (30, "2027-01-15T08:00:30Z")
    longer = (await api.delete(f"{url}?gracePeriodSeconds=60")).body["metadata"]
    assert longer["deletionGracePeriodSeconds"] == 30
    shorter = (await api.delete(url, {"gracePeriodSeconds": 5})).body["metadata"]
    assert (shorter["deletionGracePeriodSeconds"], shorter["deletionTimestamp"]) == (5, "2027-01-15T08:00:05Z")
    gone = await api.delete(url, {"gracePeriodSeconds": 0, "preconditions": {"uid": shorter["uid"]}})
    assert (gone.code, gone.body["kind"]) == (200, "Pod")
    assert (await api.get(url)).code == 404


@pytest.mark.parametrize("phase", ["", "Succeeded"])
async def test_a_pod_that_does_not_run_goes_at_once(api: Api, phase: str) -> None:
    await api.post(f"{CORE}/pods", pod("p", node="n1" if phase else ""))
    if phase:
        await api.patch(f"{CORE}/pods/p/status", {"status": {"phase": phase}})
    await api.delete(f"{CORE}/pods/p")
    assert (await api.get(f"{CORE}/pods/p")).code == 404


async def test_namespaces_of_the_system_stay(api: Api) -> None:
    answer = await api.delete("/api/v1/namespaces/default")
    assert (answer.code, answer.message) == (403, 'namespaces "default" is forbidden: this namespace may not be deleted')


async def test_an_eviction_asks_the_budget(api: Api) -> None:
    await api.post(f"{CORE}/pods", pod("p", labels={"app": "x"}))
    await api.patch(f"{CORE}/pods/p/status", {"status": {"phase": "Running"}})
    budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
    budget = {"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "x"}}}}
    await api.post(budgets, budget)
    eviction = {"metadata": {"name": "p"}}
    url = f"{CORE}/pods/p/eviction"
    waiting = await api.post(url, eviction)
    assert (waiting.code, waiting.reason) == (429, "TooManyRequests")
    await api.patch(f"{budgets}/b/status", {"status": {"observedGeneration": 1, "disruptionsAllowed": 0, "desiredHealthy": 1}})
    refused = await api.post(url, eviction)
    assert refused.body["details"]["causes"][0]["reason"] == "DisruptionBudget"
    await api.patch(f"{budgets}/b/status", {"status": {"disruptionsAllowed": 1}})
    assert (await api.post(url, eviction)).code == 201
    assert (await api.get(f"{CORE}/pods/p")).code == 404
    assert (await api.get(f"{budgets}/b")).body["status"]["disruptionsAllowed"] == 0
