"""Experiments in the played cluster: how they start, every way they end, and that nothing of them is left."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.api.kinds import ANALYSIS_RUNS, ANALYSIS_TEMPLATES, EXPERIMENTS, REPLICA_SETS, SERVICES
from shipway.base.clock import Instant, parse_rfc3339
from shipway.base.errors import Conflict
from shipway.kube.objects.patches import merge_patch
from shipway.kube.objects.resource import Obj, Ref
from shipway.kube.objects.views import dig, labels_of, name_of, spec_of, uid_of
from shipway.kube.runtime.controller import ObjectKey
from shipway.kube.runtime.decision import Action, Change, Create, Outcome
from shipway.rehearsal.world import PlayedCluster
from shipway.rollouts.experiment.controller import ExperimentController
from shipway.rollouts.experiment.decide import conclude, decide
from shipway.rollouts.rollout.names import HASH_LABEL
from shipway.rollouts.settings import RolloutSettings

NS = "shop"
ENDED = ("Successful", "Failed", "Error", "Inconclusive")


class Crash(Exception):
    """The process died before a write."""


class Lab(PlayedCluster):
    """The Experiment `ab` in a played cluster; pods of a template in `broken` never become available."""

    def __init__(self, experiment: Obj) -> None:
        super().__init__(parse_rfc3339("2026-11-21T08:00:00Z"))
        self.controller = ExperimentController(RolloutSettings())
        self.broken: set[str] = set()
        self.wake: Instant | None = None
        self.crash_after: int | None = None
        self.put(ANALYSIS_TEMPLATES, errors_template())
        self.put(EXPERIMENTS, experiment)

    def perform(self, action: Action) -> Obj:
        self._maybe_crash()
        return super().perform(action)

    def write(self, change: Change) -> None:
        self._maybe_crash()
        super().write(change)

    def _maybe_crash(self) -> None:
        if self.crash_after is not None:
            if self.crash_after == 0:
                self.crash_after = None
                raise Crash
            self.crash_after -= 1

    @property
    def experiment(self) -> Obj:
        return self.objs[Ref("argoproj.io", "Experiment", NS, "ab")]

    @property
    def status(self) -> Obj:
        return self.experiment.get("status") or {}

    def settle(self) -> None:
        """Passes until one writes nothing."""
        for _ in range(40):
            before, version = self.writes, self.version
            try:
                done = self.pass_over(self.controller, ObjectKey(NS, "ab"))
            except Crash:
                continue
            assert done is not None
            self.wake = done.conclusion.wake
            for rs in tuple(self.list(REPLICA_SETS)):
                wanted = dig(rs, "spec", "replicas")
                self.report(rs, wanted, 0 if name_of(rs) in self.broken else wanted)
            if (self.writes, self.version) == (before, version):
                return
        raise AssertionError("still writing")

    def run_out(self) -> None:
        """From wake to wake until nothing is to be waited for."""
        for _ in range(20):
            self.settle()
            if self.wake is None:
                return
            assert self.wake > self.now
            self.now = self.wake
        raise AssertionError("it never rests")

    def finish_runs(self, phase: str, *names: str) -> None:
        for run in tuple(self.list(ANALYSIS_RUNS)):
            if not names or name_of(run) in names:
                self.put(ANALYSIS_RUNS, {**run, "status": {"phase": phase, "message": "so it went"}})

    def play_runs(self) -> None:
        """The analysis controller: a run that is told to ends."""
        for run in tuple(self.list(ANALYSIS_RUNS)):
            if spec_of(run).get("terminate") and dig(run, "status", "phase", default="") not in ENDED:
                self.put(ANALYSIS_RUNS, {**run, "status": {"phase": "Successful"}})

    def left(self) -> tuple[int, int, int]:
        """(pods, Services, unfinished runs) of the Experiment."""
        pods = sum(dig(rs, "spec", "replicas") for rs in self.list(REPLICA_SETS))
        running = sum(
            dig(run, "status", "phase", default="") not in ENDED and not spec_of(run).get("terminate")
            for run in self.list(ANALYSIS_RUNS)
        )
        return pods, sum(1 for _ in self.list(SERVICES)), running


def variant(name: str, **fields: Any) -> Obj:
    container = {"name": "web", "image": "shop/web:v1", "ports": [{"containerPort": 8080, "name": "http"}]}
    pods = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
    return {"name": name, "selector": {"matchLabels": {"app": name}}, "template": pods, **fields}


def experiment(**spec: Any) -> Obj:
    templates = [variant("a", replicas=2, service={}), variant("b")]
    return {"metadata": {"name": "ab", "namespace": NS}, "spec": {"templates": templates, **spec}}


def errors_template() -> Obj:
    metric = {"name": "errors", "provider": {"web": {"url": "http://x/{{args.hash}}"}}}
    spec = {"args": [{"name": "hash", "value": ""}, {"name": "until", "value": ""}], "metrics": [metric]}
    return {"metadata": {"name": "errors", "namespace": NS}, "spec": spec}


def analysis(name: str = "check", *, required: bool = False, **fields: Any) -> Obj:
    return {"name": name, "templateName": "errors", "requiredForCompletion": required, **fields}


@pytest.mark.compat("rollouts:experiment")
def test_variants_run_side_by_side_for_the_duration_and_nothing_is_left() -> None:
    lab = Lab(experiment(duration="60s"))
    lab.settle()
    assert lab.status["phase"] == "Running"
    sets = {name_of(rs): rs for rs in lab.list(REPLICA_SETS)}
    assert {name: dig(rs, "spec", "replicas") for name, rs in sets.items()} == {"ab-a": 2, "ab-b": 1}
    hashes = {labels_of(rs)[HASH_LABEL] for rs in sets.values()}
    assert len(hashes) == 2
    (service,) = lab.list(SERVICES)
    assert name_of(service) == "ab-a"
    assert spec_of(service) == {
        "selector": {HASH_LABEL: labels_of(sets["ab-a"])[HASH_LABEL]},
        "ports": [{"port": 8080, "targetPort": 8080, "protocol": "TCP", "name": "http"}],
    }
    assert lab.status["availableAt"] == "2026-11-21T08:00:00Z"
    assert lab.wake == lab.now + 60
    lab.now = lab.wake
    lab.settle()
    assert lab.status["phase"] == "Successful"
    assert {one["status"] for one in lab.status["templateStatuses"]} == {"Successful"}
    assert lab.left()[0] == 3, "scaleDownDelaySeconds"
    assert lab.wake == lab.now + 30
    lab.run_out()
    assert lab.left() == (0, 0, 0)
    reasons = [note.reason for note in lab.events]
    assert [reason for reason in reasons if reason.startswith("Experiment")] == [
        "ExperimentPending",
        "ExperimentRunning",
        "ExperimentSuccessful",
    ]


@pytest.mark.compat("rollouts:experiment.analyses")
def test_analyses_start_when_all_is_available_and_know_the_variants() -> None:
    args = [
        {"name": "hash", "value": "{{templates.a.podTemplateHash}}"},
        {"name": "until", "value": "{{ experiment.finishedAt }} {{templates.b.replicaset.name}}"},
    ]
    lab = Lab(experiment(duration="1m", analyses=[analysis(args=args)], dryRun=[{"metricName": "errors"}]))
    lab.broken.add("ab-b")
    lab.settle()
    assert not list(lab.list(ANALYSIS_RUNS))
    lab.broken.clear()
    lab.settle()
    (run,) = lab.list(ANALYSIS_RUNS)
    first = next(rs for rs in lab.list(REPLICA_SETS) if name_of(rs) == "ab-a")
    assert name_of(run) == "ab-check"
    assert spec_of(run)["dryRun"] == [{"metricName": "errors"}]
    assert {arg["name"]: arg["value"] for arg in spec_of(run)["args"]} == {
        "hash": labels_of(first)[HASH_LABEL],
        "until": "2026-11-21T08:01:00Z ab-b",
    }
    assert run["metadata"]["ownerReferences"][0]["uid"] == uid_of(lab.experiment)


@pytest.mark.compat("rollouts:experiment.analyses")
@pytest.mark.parametrize(
    ("runs", "phases", "ends"),
    [
        ([analysis(required=True)], {"check": "Successful"}, ("Successful", "so it went")),
        ([analysis(required=True)], {"check": "Failed"}, ("Failed", "so it went")),
        ([analysis()], {"check": "Inconclusive"}, ("Inconclusive", "so it went")),
        ([analysis()], {"check": "Error"}, ("Error", "so it went")),
        (
            [analysis(required=True), analysis("more")],
            {"check": "Successful"},
            ("Successful", "Required AnalysisRuns completed"),
        ),
        ([analysis(required=True), analysis("more", required=True)], {"check": "Successful"}, None),
        ([analysis()], {"check": "Successful"}, None),
    ],
)
def test_analyses_decide(runs: list[Obj], phases: dict[str, str], ends: tuple[str, str] | None) -> None:
    lab = Lab(experiment(analyses=runs))
    lab.settle()
    for name, phase in phases.items():
        lab.finish_runs(phase, f"ab-{name}")
    lab.run_out()
    if ends is None:
        assert lab.status["phase"] == "Running"
    else:
        assert (lab.status["phase"], lab.status.get("message", "")) == ends
        assert lab.left() == (0, 0, 0)


@pytest.mark.compat("rollouts:experiment")
def test_a_variant_that_never_comes_up_is_given_up() -> None:
    lab = Lab(experiment(progressDeadlineSeconds=45, scaleDownDelaySeconds=0))
    lab.broken.add("ab-b")
    lab.run_out()
    assert (lab.status["phase"], lab.status["message"]) == ("Failed", "Template 'b' exceeded its progressDeadlineSeconds (45)")
    assert lab.left() == (0, 0, 0)


@pytest.mark.parametrize(
    ("spec", "phase", "message"),
    [
        ({"templates": []}, "Error", "InvalidSpec: Experiment ab has missing field '.Spec.Templates'"),
        ({"templates": [variant("a"), variant("a")]}, "Error", "has repeated template name 'a' in templates"),
        ({"templates": [variant("a", selector=None)]}, "Error", "has missing field '.Spec.Templates[0].Selector'"),
        ({"templates": [variant("a", selector={})]}, "Error", "is selecting all pods at index 0"),
        ({"templates": [variant("a", selector={"matchLabels": {"x": "y"}})]}, "Error", "does not match the labels"),
        ({"templates": [variant("a", minReadySeconds=700)]}, "Error", "MinReadySeconds cannot be longer"),
        ({"templates": [variant("a", replicas="two")]}, "Error", "spec.templates[0].replicas: Expected `int`"),
        ({"duration": "soon"}, "Error", "has an invalid '.Spec.Duration' \"soon\": write it like"),
        ({"analyses": [analysis(templateName="nowhere")]}, "Error", "AnalysisTemplate 'nowhere' not found"),
        ({"analyses": [analysis(args=[{"name": "hash", "value": "{{templates.x.podTemplateHash}}"}])]}, "Error", "there are"),
        ({"templates": [variant("a", service={"name": "taken"})]}, "Error", "Failed to create taken for template 'a'"),
    ],
)
def test_what_cannot_be_run_ends_with_a_sentence(spec: Obj, phase: str, message: str) -> None:
    lab = Lab(merge_patch(experiment(scaleDownDelaySeconds=0), {"spec": spec}))
    lab.put(SERVICES, {"metadata": {"name": "taken", "namespace": NS}, "spec": {}})
    lab.run_out()
    assert lab.status["phase"] == phase
    assert message in lab.status["message"]
    assert lab.left() == (0, 1, 0)


LAW = st.fixed_dictionaries(
    {
        "duration": st.sampled_from(["", "30s"]),
        "required": st.booleans(),
        "outcome": st.sampled_from(["", *ENDED]),
        "broken": st.booleans(),
        "delay": st.sampled_from([0, 30]),
        "crash_after": st.integers(0, 12),
        "terminate_at": st.integers(0, 3),
    }
)


@settings(max_examples=60, deadline=None)
@given(LAW)
def test_every_experiment_ends_and_leaves_nothing_wherever_the_process_dies(story: dict[str, Any]) -> None:
    spec = {"analyses": [analysis(required=story["required"])], "scaleDownDelaySeconds": story["delay"]}
    lab = Lab(experiment(**spec, **({"duration": story["duration"]} if story["duration"] else {})))
    if story["broken"]:
        lab.broken.add("ab-b")
    lab.crash_after = story["crash_after"]
    for moment in range(5):
        if moment == story["terminate_at"]:
            lab.put(EXPERIMENTS, merge_patch(lab.experiment, {"spec": {"terminate": True}}))
        lab.settle()
        lab.play_runs()
        if moment == 1 and story["outcome"]:
            lab.finish_runs(story["outcome"])
    lab.run_out()
    assert lab.status["phase"] in ENDED
    assert lab.left() == (0, 0, 0)
    before = lab.writes
    lab.settle()
    assert lab.writes == before


@pytest.mark.parametrize(("reason", "wanted"), [("NameTaken", "Error"), ("Conflict", "")])
def test_only_a_conflict_that_stays_is_an_error(reason: str, wanted: str) -> None:
    """A name that somebody else has stays taken; a quota that two writers count at once is free a moment later."""
    lab = Lab(experiment())
    seen = lab.controller.observe(ObjectKey(NS, "ab"), lab)
    assert seen is not None
    (create,) = [action for action in decide(seen, lab.now).batches[0].actions if isinstance(action, Create)][:1]
    concluded = conclude(seen, (Outcome(create, error=Conflict("409", reason=reason)),), lab.now)
    status = (concluded.change.status or {}) if concluded is not None and concluded.change is not None else {}
    assert [one["status"] for one in status.get("templateStatuses", ())][:1] == ([wanted] if wanted else [])
