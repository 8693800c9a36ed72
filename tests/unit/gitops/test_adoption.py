"""Objects that another tool applied: in sync if equal, and ours field by field after the takeover."""

import pytest

from shipway.gitops.adoption import has_leftovers, takeover
from shipway.gitops.ownership import judge, our_entry, to_apply
from shipway.kube.objects.patches import json_patch
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import copy_obj, dig
from tests.little_server import LittleServer
from tests.unit.gitops.test_ownership import DEPLOYMENT, SETTINGS, context, wanted

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def applied_by(manager: str, obj: Obj) -> LittleServer:
    """An object as a client-side tool creates it."""
    server, plain = LittleServer(), copy_obj(obj)
    plain["metadata"]["annotations"][LAST_APPLIED] = "{}"
    server.create(plain, manager)
    return server


def take_over(server: LittleServer) -> None:
    assert server.live is not None
    patch = takeover(server.live, DEPLOYMENT, SETTINGS.manager)
    assert patch is not None
    server.live = json_patch(server.live, patch.body)


@pytest.mark.parametrize("manager", ["kubectl-client-side-apply", "helm", "argocd-controller"])
def test_after_a_takeover_a_field_that_leaves_git_goes_from_the_cluster(manager: str) -> None:
    before = wanted()
    server = applied_by(manager, before.obj)
    assert judge(before, server.live, (), context(server)).verdict == "Synced"
    after = wanted()
    del after.obj["spec"]["template"]["spec"]["containers"][0]["env"]
    assert judge(after, server.live, (), context(server)).verdict == "OutOfSync"
    take_over(server)
    server.apply(to_apply(after, server.live, (), context(server)), SETTINGS.manager)
    assert server.live is not None
    assert "env" not in dig(server.live, "spec", "template", "spec", "containers", 0)
    assert LAST_APPLIED not in server.live["metadata"]["annotations"]
    assert judge(after, server.live, (), context(server)).verdict == "Synced"


def test_an_unchanged_object_keeps_its_spec_through_the_takeover() -> None:
    desired = wanted()
    server = applied_by("argocd-controller", desired.obj)
    assert server.live is not None
    spec = copy_obj(server.live["spec"])
    take_over(server)
    server.apply(to_apply(desired, server.live, (), context(server)), SETTINGS.manager)
    assert server.live["spec"] == spec
    assert judge(desired, server.live, (), context(server)).ask is None


def test_leftovers_are_fields_that_they_own_and_git_does_not_state() -> None:
    desired = wanted()
    server = applied_by("helm", desired.obj)
    assert server.live is not None
    assert not has_leftovers(server.live, desired.obj)
    less = copy_obj(desired.obj)
    del less["metadata"]["labels"]["team"]
    assert has_leftovers(server.live, less)


def test_others_keep_what_is_theirs_and_nothing_is_taken_twice() -> None:
    desired = wanted()
    server = applied_by("kubectl-edit", desired.obj)
    assert server.live is not None
    assert takeover(server.live, DEPLOYMENT, SETTINGS.manager) is None
    server.apply(to_apply(desired, server.live, (), context(server)), SETTINGS.manager)
    assert our_entry(server.live, SETTINGS.manager) is not None
    server.update("helm", lambda live: live["metadata"]["labels"].update({"x": "y"}))
    assert takeover(server.live, DEPLOYMENT, SETTINGS.manager) is None


def test_whoever_made_git_inapplicable_is_taken_over_once_a_try_has_failed() -> None:
    desired = wanted()
    server = LittleServer()
    server.apply(to_apply(desired, None, (), context(server)), SETTINGS.manager)
    server.update("kubectl-edit", lambda live: live["spec"].update({"paused": True, "replicas": 7}))
    assert server.live is not None
    assert takeover(server.live, DEPLOYMENT, SETTINGS.manager) is None
    patch = takeover(server.live, DEPLOYMENT, SETTINGS.manager, frozenset({"kubectl-edit"}))
    assert patch is not None
    server.live = json_patch(server.live, patch.body)
    assert judge(desired, server.live, (), context(server)).verdict == "OutOfSync", "a crash here must not look in sync"
    server.apply(to_apply(desired, server.live, (), context(server)), SETTINGS.manager)
    assert "paused" not in server.live["spec"]
    assert judge(desired, server.live, (), context(server)).verdict == "Synced"
