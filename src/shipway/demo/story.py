"""The canary story: a commit is pushed and traffic moves; a bad one is pushed and is thrown out by its own metrics.

The story is a script over the public API: git pushes, plain Kubernetes calls and watches, and real HTTP requests. It knows
nothing of the engines, so it runs unchanged against the embedded cluster and against a real one (`Traffic` then comes
from the test). Everything it reports was observed from outside.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from shipway.api.kinds import ANALYSIS_RUNS, APPLICATIONS, CONFIG_MAPS, DEPLOYMENTS, EVENTS, HTTP_ROUTES, REPLICA_SETS, ROLLOUTS
from shipway.base.clock import Clock, Instant, parse_rfc3339
from shipway.demo.repository import SampleShop
from shipway.demo.timeline import Timeline
from shipway.gitops.why import why
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import dig, labels_of, name_of, status_of
from shipway.kube.objects.yaml import load_all
from shipway.kube.runtime.waiting import One, TookTooLong, follow, wait_until

ARGOCD = "argocd"
SHOP = "shop"
SERVICES = ("web", "catalog", "checkout")
WITNESSES = (ROLLOUTS, REPLICA_SETS, ANALYSIS_RUNS)
"""The kinds that know why a version is not live."""
PATIENCE = 60.0
"""Seconds that a single chapter may take before the story gives up."""
HAND = "ada-by-hand"
"""Field manager of the hand edit that self-heal must name."""
DRIFT_REASON = "DriftHealed"


class Traffic(Protocol):
    """What the story needs to know of the requests that flow meanwhile."""

    async def first_answer_of(self, version: str, seconds: float) -> Instant: ...

    def last_answer_of(self, version: str) -> Instant | None: ...


class WeightChange(Struct, frozen=True):
    """The canary's share of the route in percent, from `at` on."""

    at: Instant
    weight: int


class Findings(Struct):
    """What the story observed; the report is made of it."""

    apps_synced: int = 0
    promoted: list[str] = []
    aborted: list[str] = []
    push_to_canary_s: float | None = None
    bad_to_stable_s: float | None = None
    bad_step_weight_pct: int | None = None
    healed: bool = False
    pruned: bool = False
    drift_manager: str = ""
    why: str = ""
    weights: list[WeightChange] = []


class CanaryStory:
    """Plays the chapters in order; raises TookTooLong at the first that does not come true."""

    def __init__(self, client: Client, shop: SampleShop, traffic: Traffic, clock: Clock, timeline: Timeline) -> None:
        self._client = client
        self._shop = shop
        self._traffic = traffic
        self._clock = clock
        self._timeline = timeline
        self.findings = Findings()

    async def play(self, open_doors: Callable[[], object]) -> None:
        """`open_doors` is called once all applications are healthy: from then on there is traffic."""
        async with asyncio.TaskGroup() as group:
            await self.open_shop()
            open_doors()
            await self._traffic.first_answer_of("v1", PATIENCE)
            watcher = group.create_task(self._watch_weights())
            await self.release_good()
            await self.release_bad()
            await self.heal()
            await self.prune()
            watcher.cancel()

    async def open_shop(self) -> None:
        """Chapters 3 and 4: the three Applications become Synced and Healthy."""
        self._timeline.chapter("Three applications: plain YAML, Kustomize, Helm")
        for application in load_all(self._shop.applications()):
            await self._client.apply(APPLICATIONS, application, manager="shipway-demo")
        for name in SERVICES:
            await self._wait(APPLICATIONS, ARGOCD, name, is_synced_and_healthy)
            self.findings.apps_synced += 1
            self._timeline.say(f"{name} is Synced and Healthy", "done")

    async def release_good(self) -> None:
        """Chapter 5: v2 is pushed, walks its steps and is promoted."""
        self._timeline.chapter("A good commit: web v2")
        pushed = self._clock.now()
        commit = await self._shop.release("v2")
        self._timeline.say(f"pushed {commit[:7]}: Release web v2", "move")
        first = await self._traffic.first_answer_of("v2", PATIENCE)
        self.findings.push_to_canary_s = round(first - pushed, 2)
        self._timeline.say(f"v2 answers its first request {first - pushed:.1f} s after the push", "done")
        await self._wait(ROLLOUTS, SHOP, "web", lambda rollout: is_promoted(rollout, "v2"))
        self.findings.promoted.append("v2")
        self._timeline.say("v2 is promoted: it is the stable version now", "done")
        await self._wait(APPLICATIONS, ARGOCD, "web", is_synced_and_healthy)

    async def release_bad(self) -> None:
        """Chapter 6: v3 fails three of ten requests, and the rollout aborts by itself."""
        self._timeline.chapter("A bad commit: web v3 answers three of ten requests with 500")
        commit = await self._shop.release("v3")
        self._timeline.say(f"pushed {commit[:7]}: Release web v3", "move")
        failed_at = await self._analysis_fails()
        self._timeline.say("its own metrics condemn it: the analysis failed", "bad")
        await self._wait(ROLLOUTS, SHOP, "web", lambda rollout: bool(dig(rollout, "status", "abort")))
        self.findings.bad_step_weight_pct = self._weight_at(failed_at)
        await self._wait(HTTP_ROUTES, SHOP, "web", lambda route: canary_weight(route) == 0)
        application = await self._wait(APPLICATIONS, ARGOCD, "web", is_degraded)
        self.findings.aborted.append("v3")
        await self._clock.sleep(1.0)  # long enough for a straggling request to v3 to be seen and counted
        last = self._traffic.last_answer_of("v3")
        self.findings.bad_to_stable_s = round(max(0.0, last - failed_at), 2) if last else 0.0
        self._timeline.say(f"all traffic is back on v2 {self.findings.bad_to_stable_s} s later; Git still says v3", "done")
        children = [obj for kind in WITNESSES for obj in (await self._client.list(kind, SHOP)).items]
        self.findings.why = why(application or {}, children)
        self._timeline.say(self.findings.why)

    async def heal(self) -> None:
        """Chapter 7: a hand edit is undone and attributed."""
        self._timeline.chapter("Somebody edits the live catalog by hand")
        before = await self._client.get(DEPLOYMENTS, SHOP, "catalog")
        wanted = dig(before, "spec", "replicas")
        await self._client.patch(DEPLOYMENTS, SHOP, "catalog", {"spec": {"replicas": wanted + 5}}, manager=HAND)
        self._timeline.say(f"{HAND} scaled catalog from {wanted} to {wanted + 5}", "move")
        await self._wait(DEPLOYMENTS, SHOP, "catalog", lambda obj: dig(obj, "spec", "replicas") == wanted)
        self.findings.healed = True
        event = await self._drift_event()
        self.findings.drift_manager = manager_in(event.get("message") or "")
        self._timeline.say(event.get("message") or "", "done")

    async def prune(self) -> None:
        """Chapter 8: a manifest is deleted in Git, and the object goes."""
        self._timeline.chapter("A manifest is deleted in Git")
        commit = await self._shop.drop_banner()
        self._timeline.say(f"pushed {commit[:7]}: The sale is over", "move")
        await self._wait(CONFIG_MAPS, SHOP, "banner", lambda obj: obj is None)
        self.findings.pruned = True
        self._timeline.say("ConfigMap shop/banner is pruned", "done")

    async def _analysis_fails(self) -> Instant:
        """When the measurement that condemned v3 was made (Kubernetes writes whole seconds, so up to one second early)."""
        rollout = await self._wait(ROLLOUTS, SHOP, "web", lambda obj: runs_image(obj, "v3") and is_observed(obj))
        pod_hash = dig(rollout, "status", "currentPodHash")
        run = await self._first(ANALYSIS_RUNS, lambda run: labels_of(run).get("rollouts-pod-template-hash") == pod_hash)
        failed = await self._wait(ANALYSIS_RUNS, SHOP, name_of(run), lambda obj: dig(obj, "status", "phase") == "Failed")
        return parse_rfc3339(dig(failed, "status", "metricResults", 0, "measurements", -1, "finishedAt"))

    async def _drift_event(self) -> Obj:
        """The event that tells of the healed catalog."""

        def tells_of_it(event: Obj) -> bool:
            return event.get("reason") == DRIFT_REASON and f"{SHOP}/catalog" in (event.get("message") or "")

        return await self._first(EVENTS, tells_of_it, namespace=ARGOCD)

    async def _first(self, resource: Resource, matches: Callable[[Obj], bool], *, namespace: str = SHOP) -> Obj:
        """The first object of a kind that `matches`, already there or still to come."""
        async with asyncio.timeout(PATIENCE):
            listing = await self._client.list(resource, namespace)
            for obj in listing.items:
                if matches(obj):
                    return obj
            async for event in self._client.watch(resource, namespace, resource_version=listing.resource_version):
                if event.type in ("ADDED", "MODIFIED") and matches(event.obj):
                    return event.obj
        raise TookTooLong(f"no {resource.kind} in {namespace} as expected")

    async def _watch_weights(self) -> None:
        """Notes every change of the canary's weight, until cancelled."""
        async for route in follow(self._client, One(HTTP_ROUTES, SHOP, "web")):
            weight = canary_weight(route)
            weights = self.findings.weights
            if weight is not None and (not weights or weights[-1].weight != weight):
                weights.append(WeightChange(self._clock.now(), weight))
                self._timeline.say(f"canary weight {weight} %", "move")

    def _weight_at(self, at: Instant) -> int:
        """The canary's weight at an instant."""
        return next((change.weight for change in reversed(self.findings.weights) if change.at <= at), 0)

    async def _wait(self, resource: Resource, namespace: str, name: str, is_so: Callable[[Obj | None], bool]) -> Obj | None:
        return await wait_until(self._client, One(resource, namespace, name), is_so, seconds=PATIENCE)


def is_synced_and_healthy(application: Obj | None) -> bool:
    status = status_of(application or {})
    return dig(status, "sync", "status") == "Synced" and dig(status, "health", "status") == "Healthy"


def is_degraded(application: Obj | None) -> bool:
    return dig(application, "status", "health", "status") == "Degraded"


def runs_image(rollout: Obj | None, version: str) -> bool:
    return str(dig(rollout, "spec", "template", "spec", "containers", 0, "image", default="")).endswith(f":{version}")


def is_observed(rollout: Obj | None) -> bool:
    """The controller has seen this generation (Argo Rollouts writes it as a string)."""
    return str(dig(rollout, "metadata", "generation")) == str(dig(rollout, "status", "observedGeneration"))


def is_promoted(rollout: Obj | None, version: str) -> bool:
    status = status_of(rollout or {})
    return (
        runs_image(rollout, version)
        and is_observed(rollout)
        and bool(status.get("stableRS"))
        and status.get("stableRS") == status.get("currentPodHash")
        and status.get("phase") == "Healthy"
    )


def canary_weight(route: Obj | None) -> int | None:
    """The weight that the route gives to `web-canary`; None when it names it nowhere. Unset is 1, as in the Gateway API."""
    for rule in dig(route, "spec", "rules", default=[]):
        for ref in rule.get("backendRefs") or []:
            if ref.get("name") == "web-canary":
                return ref.get("weight", 1)
    return None


def manager_in(message: str) -> str:
    """The field manager that a drift event names."""
    found = re.search(r"changed by (\S+)", message)
    return found.group(1) if found else ""
