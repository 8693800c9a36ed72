"""Every recipe of docs/cookbook.md, applied as it stands there: a good version arrives, a bad one is thrown out."""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest

from shipway.api.crds import load_crds
from shipway.api.kinds import ANALYSIS_RUNS, CRDS, HTTP_ROUTES, JOBS, NAMESPACES, REPLICA_SETS, ROLLOUTS, SERVICES
from shipway.api.metrics import Sample
from shipway.cli.main import run
from shipway.kube.client.client import Client
from shipway.kube.objects import yaml
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import dig, labels_of
from shipway.kube.runtime.controller import Resolver
from shipway.kube.runtime.decision import Ask
from shipway.kube.runtime.runtime import Runtime
from shipway.rollouts.analysis import burn_rate, comparison
from shipway.rollouts.analysis.asks import MeasureAsk
from shipway.rollouts.analysis.burn_rate import queries, read_burning, read_objective
from shipway.rollouts.analysis.controller import AnalysisRunController
from shipway.rollouts.budget.asks import Budget, BudgetAsk
from shipway.rollouts.controllers import rollout_controllers
from shipway.rollouts.rollout.names import HASH_LABEL
from shipway.rollouts.settings import RolloutSettings
from shipway.rollouts.why import why
from tests.sim.cluster_world import Cluster, simulate

PAGE = (Path(__file__).parents[2] / "docs" / "cookbook.md").read_text(encoding="utf-8")
NS = "shop"
OURS = ("argoproj.io", "shipway.dev")
NOTHING: Mapping[str, list[Any]] = {}
HEADER_TESTS = "Tests behind a header, then 5 → 30 → 100"
SMALL_SHARES = "1 → 10 → 50"
BLUE_GREEN = "Blue-green with a smoke test"
FOR_EVERY_ROUTER = "Tests, then weights: one template for every router"
"""Run by test_cookbook_routers.py."""
MIGRATE = "Migrate a live service"
"""Run by tests/e2e/test_migrate.py."""
TELL = "Tell a channel"
TELL_OF_SYNCS = "Tell a channel of a sync"
"""Run by tests/e2e/test_run_notifications.py."""
REHEARSE = "Rehearse, then ship"
DATADOG = "Thrown out by Datadog's error rate"
RULES = "One rule library for all services"
BUDGET = "Thrown out when the error budget burns"
BASELINE = "A fresh baseline beside the new version"
"""Run by test_cookbook_experiments.py."""
BY_BUDGET = "As fast as the error budget allows"
A_B = "A/B: every user stays with one version"


def chapter_of(heading: str) -> str:
    parts = re.split(r"^## (.*)$", PAGE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))[heading]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def listings(heading: str) -> list[Obj]:
    """The objects of a recipe, after those that the page gives to all."""
    shared, _, _ = PAGE.partition("\n## ")
    return [obj for block in blocks(shared + "\n" + chapter_of(heading), "yaml") for obj in yaml.load_all(block)]


def weight_in(route: Obj) -> int:
    return {ref["name"]: ref.get("weight", 1) for ref in route["spec"]["rules"][0]["backendRefs"]}["web-canary"]


class Kitchen:
    """A cluster in which a recipe runs. `measured` answers metrics by name; a list is worked off, its last value stays."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.measured: dict[str, list[Any]] = {}
        self.budget = 1.0
        self.weights_seen: list[int] = []

    async def apply(self, objs: list[Obj], failing: str) -> None:
        """`failing` is the `job` metric whose tests fail."""
        known: dict[str, Resource] = {
            one.kind: one for one in await self.cluster.user.discover() if one.version == "v1" or one.group in OURS
        }
        for obj in objs:
            for metric in dig(obj, "spec", "metrics", default=[]):
                if job := metric["provider"].get("job"):
                    image = "crash:2" if metric["name"] == failing else "job:2"
                    job["spec"]["template"]["spec"]["containers"][0]["image"] = image
            where = {"namespace": NS} if known[obj["kind"]].namespaced else {}
            await self.cluster.user.create(known[obj["kind"]], {**obj, "metadata": {**obj["metadata"], **where}})

    async def measure(self, ask: MeasureAsk) -> Sample:
        values = self.measured[ask.metric]
        value = values.pop(0) if len(values) > 1 else values[0]
        return Sample(value, str(value))

    async def left(self, ask: BudgetAsk) -> Budget:
        return Budget(self.budget)

    async def until(self, condition: Callable[[Obj], Any], seconds: float = 4000.0) -> Obj:
        for _ in range(int(seconds)):
            found = await self.cluster.user.get(ROLLOUTS, NS, "web")
            if condition(found.get("status") or {}):
                return found
            await self.cluster.clock.sleep(1)
        raise AssertionError("never came true")

    def route_changed(self, old: Obj | None, new: Obj | None) -> None:
        weight = weight_in(new) if new is not None else None
        if weight is not None and self.weights_seen[-1:] != [weight]:
            self.weights_seen.append(weight)

    async def canary_weight(self) -> int | None:
        routes = (await self.cluster.user.list(HTTP_ROUTES, NS)).items
        return weight_in(routes[0]) if routes else None

    async def phase(self, wanted: str, message: str = "") -> Obj:
        def is_so(status: Obj) -> bool:
            return status.get("phase") == wanted and message in status.get("message", "")

        return await self.until(is_so)

    async def release(self) -> str:
        """A new image; the hash of the stable version before."""
        before = (await self.phase("Healthy"))["status"]["stableRS"]
        del self.weights_seen[:-1]
        container = {"name": "web", "image": "registry.example/web:v2", "ports": [{"containerPort": 8080}]}
        body = {"spec": {"template": {"spec": {"containers": [container]}}}}
        await self.cluster.user.patch(ROLLOUTS, NS, "web", body)
        await self.until(lambda status: status.get("currentPodHash") not in ("", before))
        return before

    async def sizes(self) -> dict[str, int]:
        return {
            labels_of(rs)[HASH_LABEL]: rs["spec"]["replicas"] for rs in (await self.cluster.user.list(REPLICA_SETS, NS)).items
        }

    async def is_thrown_out(self, stable: str) -> None:
        found = await self.phase("Degraded", "RolloutAborted")
        assert found["status"]["stableRS"] == stable
        assert await self.canary_weight() in (0, None)


def cooked(
    heading: str,
    story: Callable[[Kitchen], Awaitable[None]],
    measured: Mapping[str, list[Any]] = NOTHING,
    *,
    failing: str = "",
) -> None:
    """Applies a recipe in a fresh cluster and lets `story` look at it."""

    async def main(cluster: Cluster) -> None:
        for crd in load_crds():
            await cluster.user.create(CRDS, crd)
        while not {ROLLOUTS, HTTP_ROUTES} <= set(await cluster.user.discover()):
            await cluster.clock.sleep(0.1)
        await cluster.user.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NS}})
        kitchen = Kitchen(cluster)
        kitchen.measured = {name: list(values) for name, values in measured.items()}
        controllers: list[Any] = [*rollout_controllers(RolloutSettings()), AnalysisRunController()]
        client = Client(cluster.server, manager="shipway")
        resolvers: dict[type[Ask], Resolver] = {MeasureAsk: kitchen.measure, BudgetAsk: kitchen.left}
        engine = Runtime(client, controllers, clock=cluster.clock, resolvers=resolvers, rng=random.Random(7))
        engine.follow(HTTP_ROUTES, kitchen.route_changed)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(engine.run())
            await kitchen.apply(listings(heading), failing)
            await story(kitchen)
            running.cancel()

    simulate(main)


GOOD = {"error-rate": [[0.001], []], "latency-p95": [[0.2]]}


@pytest.mark.proves("000-36", "000-37", "rollouts:cookbook")
def test_a_good_version_passes_its_tests_and_takes_over() -> None:
    async def story(kitchen: Kitchen) -> None:
        await kitchen.release()
        await kitchen.until(lambda status: status.get("currentStepIndex") == 2)
        jobs = await kitchen.cluster.until(lambda: two_jobs(kitchen))
        assert len({dig(job, "metadata", "name") for job in jobs}) == 2
        assert await kitchen.canary_weight() == 0
        await kitchen.phase("Healthy")
        assert kitchen.weights_seen == [0, 5, 30, 100, 0]

    cooked(HEADER_TESTS, story, GOOD)


async def two_jobs(kitchen: Kitchen) -> list[Obj] | None:
    """Both test suites at work side by side."""
    jobs = [job for job in (await kitchen.cluster.user.list(JOBS, NS)).items if not dig(job, "status", "completionTime")]
    return jobs if len(jobs) == 2 else None


@pytest.mark.proves("000-36", "rollouts:cookbook")
def test_failed_tests_end_it_before_anybody_is_served() -> None:
    async def story(kitchen: Kitchen) -> None:
        stable = await kitchen.release()
        await kitchen.is_thrown_out(stable)
        assert kitchen.weights_seen == [0]

    cooked(HEADER_TESTS, story, failing="contract", measured=GOOD)


@pytest.mark.proves("000-37", "rollouts:cookbook")
@pytest.mark.parametrize(
    ("measured", "most"),
    [
        ({"error-rate": [[0.3]], "latency-p95": [[0.2]]}, 5),
        ({"error-rate": [[0.001]], "latency-p95": [[0.2]] * 12 + [[2.0]]}, 30),
    ],
)
def test_bad_metrics_end_it_at_any_weight(measured: dict[str, list[Any]], most: int) -> None:
    async def story(kitchen: Kitchen) -> None:
        stable = await kitchen.release()
        await kitchen.is_thrown_out(stable)
        assert max(kitchen.weights_seen) == most

    cooked(HEADER_TESTS, story, measured)


@pytest.mark.proves("rollouts:cookbook")
def test_one_bad_measurement_is_no_verdict() -> None:
    async def story(kitchen: Kitchen) -> None:
        await kitchen.release()
        await kitchen.phase("Healthy")

    cooked(HEADER_TESTS, story, {"error-rate": [[0.3], [0.001]], "latency-p95": [[0.2]]})


@pytest.mark.proves("001-20", "rollouts:cookbook")
def test_small_shares_wait_for_a_person() -> None:
    async def story(kitchen: Kitchen) -> None:
        stable = await kitchen.release()
        await kitchen.phase("Paused")
        assert kitchen.weights_seen[-1] == 1
        assert sorted((await kitchen.sizes()).values()) == [1, 10]
        await kitchen.cluster.user.patch(ROLLOUTS, NS, "web", {"status": {"pauseConditions": None}}, subresource="status")
        await kitchen.until(lambda status: status.get("currentStepIndex") == 5)
        assert kitchen.weights_seen == [0, 1, 10, 50]
        await kitchen.cluster.user.patch(ROLLOUTS, NS, "web", {"status": {"abort": True}}, subresource="status")
        await kitchen.is_thrown_out(stable)

    cooked(SMALL_SHARES, story)


@pytest.mark.proves("001-19", "rollouts:cookbook")
@pytest.mark.parametrize(("failing", "switches"), [("", True), ("smoke", False)])
def test_a_smoke_test_decides_whether_all_traffic_is_switched(failing: str, switches: bool) -> None:
    async def story(kitchen: Kitchen) -> None:
        stable = await kitchen.release()
        if not switches:
            await kitchen.is_thrown_out(stable)
            assert await points_at(kitchen, "web-active") == stable
            return
        done = await kitchen.phase("Healthy")
        assert await points_at(kitchen, "web-active") == done["status"]["stableRS"] != stable
        await kitchen.cluster.clock.sleep(500)
        assert (await kitchen.sizes())[stable] == 3
        await kitchen.cluster.clock.sleep(150)
        assert (await kitchen.sizes())[stable] == 0

    cooked(BLUE_GREEN, story, failing=failing)


async def points_at(kitchen: Kitchen, service: str) -> str:
    return dig(await kitchen.cluster.user.get(SERVICES, NS, service), "spec", "selector", HASH_LABEL)


@pytest.mark.proves("rollouts:cookbook")
@pytest.mark.parametrize(
    ("answers", "good"),
    [([0.001, None], True), ([0.3, 0.3, 0.001], True), ([0.001, 0.3], False)],
    ids=["good", "spikes", "bad"],
)
def test_the_third_bad_answer_of_datadog_ends_it(answers: list[Any], good: bool) -> None:
    async def story(kitchen: Kitchen) -> None:
        stable = await kitchen.release()
        if good:
            assert (await kitchen.phase("Healthy", ""))["status"]["stableRS"] != stable
            assert kitchen.weights_seen == [0, 20, 60, 100, 0]
        else:
            await kitchen.is_thrown_out(stable)
            assert max(kitchen.weights_seen) == 20

    cooked(DATADOG, story, {"error-rate": answers})


def budget_when(share: float) -> Obj:
    """What a condition sees of the recipe's objective while this share of the requests fails, now and ever since."""
    metrics = listings(BUDGET)[-1]["spec"]["metrics"]
    block = read_burning(metrics[0]["provider"]["plugin"]["shipway.dev/slo"])
    objective = read_objective(block.objective, "objective")
    return burn_rate.judged(objective, {name: [share] for name in queries(objective, "", 0)}).value


def compared(stable: list[float], canary: list[float]) -> Obj:
    metrics = listings(BUDGET)[-1]["spec"]["metrics"]
    block = metrics[1]["provider"]["plugin"]["shipway.dev/compare"]
    return comparison.judged(comparison.read_comparison(block), [stable, canary]).value


FAST, SLOW = [0.1 + number / 1000 for number in range(40)], [0.2 + number / 1000 for number in range(40)]


@pytest.mark.proves("004-05", "004-10", "rollouts:cookbook")
@pytest.mark.parametrize(
    ("share", "canary", "good"),
    [(0.001, FAST, True), (0.2, FAST, False), (0.001, SLOW, False)],
    ids=["good", "burns", "slower"],
)
def test_a_budget_that_burns_or_a_slower_version_ends_it(share: float, canary: list[float], good: bool) -> None:
    async def story(kitchen: Kitchen) -> None:
        stable = await kitchen.release()
        if good:
            assert (await kitchen.phase("Healthy", ""))["status"]["stableRS"] != stable
        else:
            await kitchen.is_thrown_out(stable)
            assert max(kitchen.weights_seen) == 20

    cooked(
        BUDGET, story, {"error-budget": [budget_when(share)], "latency": [compared(FAST, canary[:5]), compared(FAST, canary)]}
    )


def converted(a: int, b: int) -> Obj:
    """What a condition sees when so many of 5,000 visits each became orders."""
    block = listings(A_B)[-1]["spec"]["metrics"][0]["provider"]["plugin"]["shipway.dev/compare"]
    return comparison.judged(comparison.read_comparison(block), [[a], [5000], [b], [5000]]).value


@pytest.mark.proves("rollouts:cookbook")
@pytest.mark.parametrize(
    ("orders", "winner"), [((200, 300), "b"), ((300, 200), "a"), ((200, 203), "")], ids=["b", "a", "neither"]
)
def test_two_audiences_decide_and_keep_their_versions_until_then(orders: tuple[int, int], winner: str) -> None:
    async def story(kitchen: Kitchen) -> None:
        stable = await kitchen.release()
        await kitchen.until(lambda status: status.get("currentStepIndex") == 2 and status.get("pauseConditions"))
        (route,) = (await kitchen.cluster.user.list(HTTP_ROUTES, NS)).items
        (group_b,) = [rule for rule in route["spec"]["rules"] if rule.get("name") == "group-b"]
        assert [ref["name"] for ref in group_b["backendRefs"]] == ["web-canary"]
        if winner == "b":
            assert (await kitchen.phase("Healthy"))["status"]["stableRS"] != stable
        elif winner == "a":
            await kitchen.is_thrown_out(stable)
        else:
            await kitchen.phase("Paused", "InconclusiveAnalysisRun")
        assert kitchen.weights_seen == ([0, 100] if winner == "b" else [0])
        (route,) = (await kitchen.cluster.user.list(HTTP_ROUTES, NS)).items
        assert len(route["spec"]["rules"]) == (1 if winner else 2)

    cooked(A_B, story, {"conversion": [converted(*orders)]})


@pytest.mark.proves("rollouts:cookbook")
@pytest.mark.parametrize(
    ("left", "weights"),
    [(0.9, [0, 50, 100, 0]), (0.6, [0, 20, 60, 100, 0]), (0.2, [0, 1, 5])],
    ids=["fast", "normal", "careful"],
)
def test_a_release_is_as_fast_as_its_budget_allows(left: float, weights: list[int]) -> None:
    async def story(kitchen: Kitchen) -> None:
        await kitchen.phase("Healthy")
        kitchen.budget = left
        await kitchen.release()
        if weights[-1]:
            await kitchen.until(lambda status: status.get("currentStepIndex") == 3)
            await kitchen.phase("Paused")
        else:
            await kitchen.phase("Healthy", "")
        assert kitchen.weights_seen == weights

    cooked(BY_BUDGET, story)


def test_without_a_budget_a_release_is_frozen_until_there_is_some() -> None:
    async def story(kitchen: Kitchen) -> None:
        await kitchen.phase("Healthy")
        kitchen.budget = 0.04
        await kitchen.release()
        held = await kitchen.phase("Paused")
        await kitchen.cluster.clock.sleep(3600)
        assert kitchen.weights_seen == [0]
        told = (
            "web is frozen: 4.0% of the error budget of web-availability is left. It goes on by itself once 10% of it is left; "
        )
        assert why(held).startswith(told)
        assert told in chapter_of(BY_BUDGET)
        kitchen.budget = 0.8
        await kitchen.phase("Healthy")
        assert kitchen.weights_seen == [0, 50, 100, 0]

    cooked(BY_BUDGET, story)


def test_rehearse_then_ship(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The commands of the page, word for word, and what they print."""
    chapter = chapter_of(REHEARSE)
    (tmp_path / "rollout.yaml").write_text("---\n".join(map(yaml.dump, listings(DATADOG)[-2:])))
    (tmp_path / "recorded.json").write_text(blocks(chapter, "json")[0])
    sessions = blocks(chapter, "console")
    assert len(sessions) == 3
    with chdir(tmp_path):
        for session in sessions:
            command, _, printed = session.partition("\n")
            code = run(command.removeprefix("$ shipway ").split())
            assert capsys.readouterr().out == printed
            assert code == (1 if "aborted" in printed else 0)


def test_every_recipe_is_run() -> None:
    recipes = {
        HEADER_TESTS,
        SMALL_SHARES,
        BLUE_GREEN,
        DATADOG,
        BUDGET,
        BASELINE,
        RULES,
        BY_BUDGET,
        A_B,
        MIGRATE,
        TELL,
        TELL_OF_SYNCS,
        REHEARSE,
        FOR_EVERY_ROUTER,
    }
    assert set(re.findall(r"^## (.*)$", PAGE, re.MULTILINE)) == recipes


@pytest.mark.proves("000-07", "001-25", "rollouts:cookbook")
def test_a_library_of_rules_judges_a_service_that_has_no_analysis_of_its_own() -> None:
    async def story(kitchen: Kitchen) -> None:
        await kitchen.release()
        done = await kitchen.phase("Healthy")
        assert done["status"]["stableRS"] == done["status"]["currentPodHash"]
        runs = (await kitchen.cluster.user.list(ANALYSIS_RUNS, NS)).items
        assert {name.split("-", 2)[2] for name in (dig(run, "metadata", "name") for run in runs)} == {
            "2-contract-before",
            "2-error-rate-after",
            "2-error-rate-canary",
        }
        assert kitchen.weights_seen == [0, 10, 50, 100, 0]

    cooked(RULES, story, {"error-rate": [[0.001]]})


@pytest.mark.proves("000-07", "rollouts:cookbook")
@pytest.mark.parametrize(
    ("measured", "failing", "weights"),
    [
        ([[0.3]], "", [0, 10, 0]),
        ([[0.001]], "contract", [0, 10, 50, 0]),
        ([[0.001]] * 6 + [[0.3]], "", [0, 10, 50, 100, 0]),
    ],
    ids=["canary", "before", "after"],
)
def test_a_library_of_rules_throws_a_bad_version_out_at_any_place(
    measured: list[Any], failing: str, weights: list[int]
) -> None:
    async def story(kitchen: Kitchen) -> None:
        stable = await kitchen.release()
        await kitchen.is_thrown_out(stable)
        assert kitchen.weights_seen == weights

    cooked(RULES, story, {"error-rate": measured}, failing=failing)
