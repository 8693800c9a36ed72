"""Experiments on a real API server in memory, with the real shell, analyses and ReplicaSet controller, in virtual time."""

import pytest

from shipway.api.kinds import ANALYSIS_RUNS, ANALYSIS_TEMPLATES, EXPERIMENTS, PODS, REPLICA_SETS, SERVICES
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, is_deleting, labels_of, name_of
from shipway.rollouts.rollout.names import HASH_LABEL
from tests.sim.rollouts_world import NS, World, simulate

ENDED = ("Successful", "Failed", "Error", "Inconclusive")


def variant(name: str, image: str = "shop/web:v1") -> Obj:
    container = {"name": "web", "image": image, "ports": [{"containerPort": 8080}]}
    pods = {"metadata": {"labels": {"trial": name}}, "spec": {"containers": [container]}}
    return {"name": name, "selector": {"matchLabels": {"trial": name}}, "template": pods, "service": {}}


def experiment(**spec: object) -> Obj:
    templates = [variant("old"), variant("new", "shop/web:v2")]
    return {
        "apiVersion": EXPERIMENTS.api_version,
        "kind": EXPERIMENTS.kind,
        "metadata": {"name": "ab", "namespace": NS},
        "spec": {"templates": templates, "scaleDownDelaySeconds": 5, **spec},
    }


async def phase(world: World, *wanted: str) -> Obj:
    for _ in range(1200):
        found = await world.user.get(EXPERIMENTS, NS, "ab")
        if dig(found, "status", "phase", default="") in wanted:
            return found
        await world.clock.sleep(0.1)
    raise AssertionError("never came true")


async def nothing_is_left(world: World) -> None:
    """Within the delay and the time that pods take, whatever made it end."""
    await world.clock.sleep(15)
    assert [name_of(pod) for pod in (await world.user.list(PODS, NS)).items if not is_deleting(pod)] == []
    assert not [one for one in (await world.user.list(SERVICES, NS)).items if name_of(one).startswith("ab-")]
    runs = (await world.user.list(ANALYSIS_RUNS, NS)).items
    assert all(dig(run, "status", "phase", default="") in ENDED for run in runs)


def comparison() -> Obj:
    """Errors of the new variant, which must not be above 5 %, and those of the old one beside them."""
    metrics = [
        {
            "name": name,
            "interval": "2s",
            "count": 3,
            "successCondition": "result <= 0.05",
            "provider": {"web": {"url": f"http://metrics.test/{{{{args.{name}}}}}", "jsonPath": "{$.share}"}},
        }
        for name in ("old", "new")
    ]
    spec = {"args": [{"name": "old"}, {"name": "new"}], "metrics": metrics}
    metadata = {"name": "comparison", "namespace": NS}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisTemplate", "metadata": metadata, "spec": spec}


@pytest.mark.proves("001-26")
@pytest.mark.parametrize(
    ("new", "wanted", "verdict"),
    [(0.01, "Successful", ""), (0.3, "Failed", 'Metric "new" assessed Failed due to failed (1) > failureLimit (0)')],
)
def test_two_variants_are_compared_by_their_own_figures(new: float, wanted: str, verdict: str) -> None:
    async def story(world: World) -> None:
        await world.user.create(ANALYSIS_TEMPLATES, comparison())
        args = [{"name": one, "value": f"{{{{templates.{one}.podTemplateHash}}}}"} for one in ("old", "new")]
        compare = {"name": "compare", "templateName": "comparison", "requiredForCompletion": True, "args": args}
        await world.user.create(EXPERIMENTS, experiment(duration="60s", analyses=[compare]))
        while len(sets := (await world.user.list(REPLICA_SETS, NS)).items) < 2:
            await world.clock.sleep(0.1)
        figures = {"ab-old": 0.01, "ab-new": new}
        world.errors_of = {labels_of(rs)[HASH_LABEL]: figures[name_of(rs)] for rs in sets}
        ended = await phase(world, *ENDED)
        assert ended["status"]["phase"] == wanted
        assert ended["status"].get("message", "") == verdict
        await nothing_is_left(world)

    simulate(story)


CHECK = {"name": "check", "templateName": "errors"}


@pytest.mark.compat("rollouts:experiment", "rollouts:experiment.analyses")
@pytest.mark.parametrize(
    ("spec", "errors", "wanted"),
    [
        ({"duration": "10s", "analyses": [CHECK]}, 0.0, "Successful"),
        ({"duration": "60s", "analyses": [CHECK]}, 0.3, "Failed"),
    ],
)
def test_variants_are_compared_and_taken_down(spec: Obj, errors: float, wanted: str) -> None:
    async def story(world: World) -> None:
        world.errors = errors
        await world.user.create(EXPERIMENTS, experiment(**spec))
        await phase(world, "Running")
        assert {name_of(rs) for rs in (await world.user.list(REPLICA_SETS, NS)).items} == {"ab-old", "ab-new"}
        assert {name_of(one) for one in (await world.user.list(SERVICES, NS)).items} >= {"ab-old", "ab-new"}
        ended = await phase(world, *ENDED)
        assert ended["status"]["phase"] == wanted
        await nothing_is_left(world)

    simulate(story)


def test_terminating_one_without_an_end_leaves_nothing() -> None:
    async def story(world: World) -> None:
        await world.user.create(EXPERIMENTS, experiment(analyses=[CHECK]))
        await phase(world, "Running")
        await world.clock.sleep(20)
        await world.user.patch(EXPERIMENTS, NS, "ab", {"spec": {"terminate": True}})
        assert (await phase(world, *ENDED))["status"]["phase"] == "Successful"
        await nothing_is_left(world)

    simulate(story)
