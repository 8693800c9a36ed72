"""In sync or not, read from ownership: one row per thing that can happen to a live object."""

from collections.abc import Callable

import pytest

from shipway.api.application import IgnoreDifference
from shipway.gitops.annotations import APPLIED
from shipway.gitops.desired import Desired, Terms, prepare
from shipway.gitops.ownership import Context, Drift, judge, takes_back, to_apply
from shipway.gitops.settings import GitOpsSettings
from shipway.kube.objects.resource import Obj, Resource
from tests.little_server import LittleServer

DEPLOYMENT = Resource("apps", "v1", "Deployment", "deployments")
SETTINGS = GitOpsSettings(key=b"test")


def wanted(replicas: int = 3, image: str = "web:v1") -> Desired:
    containers = [{"name": "main", "image": image, "env": [{"name": "COLOUR", "value": "blue"}]}]
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "labels": {"team": "a"}}, "spec": spec}
    return prepare([obj], Terms("shop", "shop"), lambda *_: DEPLOYMENT).objects[0]


def context(server: LittleServer, **more: object) -> Context:
    return Context("shop", SETTINGS, server.answer, **more)  # type: ignore[arg-type]  (keywords of the table)


def applied(desired: Desired) -> LittleServer:
    server = LittleServer()
    server.apply(to_apply(desired, None, (), context(server)), SETTINGS.manager)
    return server


def no_change(_: Obj) -> None:
    """A write that says nothing new."""


def scale(obj: Obj) -> None:
    obj["spec"]["replicas"] = 5


def unscale(obj: Obj) -> None:
    del obj["spec"]["replicas"]


def default_pull(obj: Obj) -> None:
    obj["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = "Always"


def drop_env(obj: Obj) -> None:
    obj["spec"]["template"]["spec"]["containers"][0]["env"] = []


def drop_label(obj: Obj) -> None:
    del obj["metadata"]["labels"]["team"]


def add_label(obj: Obj) -> None:
    obj["metadata"]["labels"]["more"] = "x"


def add_env(obj: Obj) -> None:
    obj["spec"]["template"]["spec"]["containers"][0]["env"].append({"name": "SIZE", "value": "L"})


def default_policy(obj: Obj) -> None:
    obj["spec"]["template"]["spec"]["restartPolicy"] = "Always"


def restart(obj: Obj) -> None:
    obj["spec"]["template"]["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": "now"}


def write_status(obj: Obj) -> None:
    obj["status"] = {"replicas": 3}


def clear_ownership(obj: Obj) -> None:
    obj["metadata"]["managedFields"] = []


def drop_our_annotation(obj: Obj) -> None:
    del obj["metadata"]["annotations"][APPLIED]


def drop_tracking(obj: Obj) -> None:
    del obj["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"]


IN_SYNC = [no_change, add_label, add_env, default_policy, restart, write_status]
DRIFTS: list[tuple[Callable[[Obj], None], tuple[Drift, ...]]] = [
    (scale, (Drift("spec.replicas", "kubectl-edit"),)),
    (drop_env, (Drift('spec.template.spec.containers[name="main"].env'),)),
    (drop_label, (Drift("metadata.labels"),)),
    (drop_our_annotation, (Drift("metadata.annotations.shipway.dev/applied"),)),
    (drop_tracking, ()),
]


@pytest.mark.parametrize("change", IN_SYNC)
@pytest.mark.compat("argocd:compare-option.ServerSideDiff", "argocd:compare-option.IncludeMutationWebhook")
def test_what_others_add_is_no_drift(change: Callable[[Obj], None]) -> None:
    desired = wanted()
    server = applied(desired)
    server.update("kubectl-edit", change)
    assert judge(desired, server.live, (), context(server)).verdict == "Synced"


@pytest.mark.parametrize(("change", "drifts"), DRIFTS)
def test_a_hand_edit_is_drift_with_path_and_manager(change: Callable[[Obj], None], drifts: tuple[Drift, ...]) -> None:
    desired = wanted()
    server = applied(desired)
    server.update("kubectl-edit", change)
    judgement = judge(desired, server.live, (), context(server))
    assert judgement.verdict == "OutOfSync"
    assert tuple(Drift(drift.path, drift.manager) for drift in judgement.drifts) == drifts


def test_cleared_ownership_with_the_same_values_is_settled_by_one_dry_run() -> None:
    desired = wanted()
    server = applied(desired)
    server.update("kubectl-edit", clear_ownership)
    judgement = judge(desired, server.live, (), context(server))
    assert (judgement.verdict, judgement.ask is not None) == ("Synced", True)
    server.update("kubectl-edit", scale)
    assert judge(desired, server.live, (), context(server)).verdict == "OutOfSync"


def test_a_change_in_git_is_seen_by_its_hash() -> None:
    server = applied(wanted())
    judgement = judge(wanted(image="web:v2"), server.live, (), context(server))
    assert (judgement.verdict, judgement.ask) == ("OutOfSync", None)


def test_an_object_of_nobody_is_adopted_by_an_apply() -> None:
    desired = wanted()
    server = LittleServer()
    plain = {**desired.obj, "metadata": {"name": "web", "namespace": "shop"}}
    server.apply(plain, "kubectl")
    assert judge(desired, server.live, (), context(server)).verdict == "OutOfSync"


def test_an_object_that_another_engine_applied_with_our_tracking_is_in_sync_if_equal() -> None:
    desired = wanted()
    server = LittleServer()
    server.apply(desired.obj, "argocd-controller")
    judgement = judge(desired, server.live, (), context(server))
    assert judgement.verdict == "Synced"
    assert judge(wanted(replicas=4), server.live, (), context(server)).verdict == "OutOfSync"


def test_an_unanswered_question_is_pending() -> None:
    desired = wanted()
    server = applied(desired)
    server.update("kubectl-edit", clear_ownership)
    judgement = judge(desired, server.live, (), Context("shop", SETTINGS, lambda _: None))
    assert judgement.verdict == "Pending"


IGNORED = [
    IgnoreDifference(group="apps", kind="Deployment", json_pointers=("/spec/replicas",)),
    IgnoreDifference(group="*", kind="*", managed_fields_managers=("kubectl-edit",)),
]


@pytest.mark.parametrize("rule", IGNORED)
@pytest.mark.compat("argocd:ignoreDifferences.jsonPointers")
def test_ignored_differences_are_no_drift(rule: IgnoreDifference) -> None:
    desired = wanted()
    server = LittleServer()
    ignoring = context(server, ignored=(rule,))
    server.apply(to_apply(desired, None, (), ignoring), SETTINGS.manager)
    server.update("kubectl-edit", scale)
    assert judge(desired, server.live, (), ignoring).verdict == "Synced"


REPLICAS, POLICY, EVERYTHING = "/spec/replicas", "/spec/template/spec/restartPolicy", "/spec/template/spec/containers/0"


@pytest.mark.parametrize(
    ("rule", "change", "replicas", "expected"),
    [
        (IGNORED[0], no_change, 3, False),
        (IGNORED[0], scale, 3, True),
        (IGNORED[0], no_change, 4, True),
        (IGNORED[0], unscale, 3, True),
        (IGNORED[1], scale, 3, True),
        (IGNORED[1], add_label, 3, False),
        (IgnoreDifference(group="apps", kind="Deployment", json_pointers=(POLICY,)), default_policy, 3, False),
        (IgnoreDifference(group="apps", kind="Deployment", json_pointers=(EVERYTHING,)), drop_env, 3, True),
        (IgnoreDifference(group="apps", kind="Deployment", json_pointers=(EVERYTHING,)), default_pull, 3, False),
        (IgnoreDifference(kind="Service", json_pointers=(REPLICAS,)), scale, 3, False),
    ],
)
@pytest.mark.compat("argocd:ignoreDifferences.jsonPointers", "argocd:ignoreDifferences.managedFieldsManagers")
def test_a_sync_takes_back_what_git_states_and_others_have_changed(
    rule: IgnoreDifference, change: Callable[[Obj], None], replicas: int, expected: bool
) -> None:
    server = applied(wanted())
    server.update("kubectl-edit", change)
    desired = wanted(replicas)
    assert takes_back(desired, server.live, (), context(server, ignored=(rule,))) is expected
    assert not takes_back(desired, server.live, (), context(server, ignored=(rule,), keeps_ignored=True))


@pytest.mark.compat("argocd:option.RespectIgnoreDifferences")
def test_respected_ignored_fields_are_carried_by_an_apply() -> None:
    desired = wanted()
    server = applied(desired)
    server.update("kubectl-edit", scale)
    rules = (IgnoreDifference(group="apps", kind="Deployment", json_pointers=("/spec/replicas",)),)
    keeping = context(server, ignored=rules, keeps_ignored=True)
    assert to_apply(desired, server.live, (), keeping)["spec"]["replicas"] == 5
    assert to_apply(desired, server.live, (), context(server, ignored=rules))["spec"]["replicas"] == 3


def test_the_hash_depends_on_the_key() -> None:
    desired = wanted()
    server = LittleServer()
    other = Context("shop", GitOpsSettings(key=b"other"), server.answer)
    mine = to_apply(desired, None, (), context(server))["metadata"]["annotations"][APPLIED]
    assert mine != to_apply(desired, None, (), other)["metadata"]["annotations"][APPLIED]
