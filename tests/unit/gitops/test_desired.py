"""Rendered objects made ready to apply, what they are tracked by, and what is refused."""

from typing import Any

import pytest

from shipway.api.sources import Head, PathTree, Rendered
from shipway.base.errors import InvalidInput
from shipway.gitops import source
from shipway.gitops.application.preparations import Preparations
from shipway.gitops.desired import Terms, keyed_hash, prepare
from shipway.gitops.tracking import instance_key, instance_name, tracked_by, tracking_id
from shipway.kube.objects.reach import Reach
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.runtime.controller import ObjectKey

KINDS = {
    "ConfigMap": Resource("", "v1", "ConfigMap", "configmaps"),
    "Secret": Resource("", "v1", "Secret", "secrets"),
    "Namespace": Resource("", "v1", "Namespace", "namespaces", namespaced=False),
}


def ready(*objects: Obj) -> list[Obj]:
    return [one.obj for one in prepare(objects, Terms("shop", "there"), lambda _, kind: KINDS.get(kind)).objects]


def obj(kind: str = "ConfigMap", **more: Any) -> Obj:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "a"}, **more}


@pytest.mark.compat("argocd:destination.namespace")
def test_namespaces_and_tracking_are_filled_in_and_the_servers_own_fields_dropped() -> None:
    meta = {
        "name": "a",
        "uid": "u",
        "resourceVersion": "7",
        "creationTimestamp": None,
        "annotations": None,
        "labels": {"x": "y"},
    }
    (found,) = ready(obj(metadata=meta, status={"phase": "x"}, data={"k": "v"}))
    assert found == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "a",
            "namespace": "there",
            "labels": {"x": "y"},
            "annotations": {"argocd.argoproj.io/tracking-id": "shop:/ConfigMap:there/a"},
        },
        "data": {"k": "v"},
    }


@pytest.mark.compat("argocd:destination.namespace")
def test_a_stated_namespace_stays_and_a_cluster_scoped_object_has_none() -> None:
    stated, scoped, bare = ready(
        obj(metadata={"name": "a", "namespace": "here"}),
        obj("Namespace", metadata={"name": "n", "namespace": "x"}),
        obj("Namespace", metadata={"name": "m"}),
    )
    assert stated["metadata"]["namespace"] == "here"
    assert scoped["metadata"] == {"name": "n", "annotations": {"argocd.argoproj.io/tracking-id": "shop:/Namespace:there/n"}}
    assert bare["metadata"] == {"name": "m", "annotations": {"argocd.argoproj.io/tracking-id": "shop:/Namespace:there/m"}}


@pytest.mark.compat("argocd:destination.clusters.namespaces")
@pytest.mark.parametrize(
    ("reach", "wanted", "told"),
    [
        (Reach(("there",)), obj(), ""),
        (Reach(("there",), cluster_resources=True), obj("Namespace"), ""),
        (Reach(("a", "b")), obj(), 'namespace "there" for ConfigMap "a" is not managed: the Secret of the cluster names'),
        (Reach(("there",)), obj("Namespace"), 'cluster level Namespace "a" can not be managed when in namespaced mode: '),
    ],
)
def test_what_lies_outside_of_what_is_managed_is_refused_in_argo_cds_words(reach: Reach, wanted: Obj, told: str) -> None:
    def prepared() -> int:
        return len(prepare([wanted], Terms("shop", "there", reach=reach), lambda _, kind: KINDS.get(kind)).objects)

    if not told:
        assert prepared() == 1
        return
    with pytest.raises(InvalidInput) as refused:
        prepared()
    assert refused.value.message.startswith(f"Failed to load live state: {told}")


def test_string_data_of_a_secret_becomes_data() -> None:
    (found,) = ready(obj("Secret", data={"a": "eA=="}, stringData={"b": "y"}))
    assert found["data"] == {"a": "eA==", "b": "eQ=="}
    assert "stringData" not in found


def test_of_two_objects_of_one_name_the_later_wins_with_a_warning() -> None:
    prepared = prepare([obj(data={"v": "1"}), obj(data={"v": "2"})], Terms("shop", "there"), lambda _, kind: KINDS.get(kind))
    assert [one.obj["data"] for one in prepared.objects] == [{"v": "2"}]
    told = "Resource /ConfigMap/there/a appeared 2 times among application resources."
    assert prepared.warnings == (("RepeatedResourceWarning", told),)


@pytest.mark.parametrize(
    ("annotations", "is_synced", "runs_at_deletion"),
    [
        ({"argocd.argoproj.io/hook": "PostDelete"}, False, True),
        ({"argocd.argoproj.io/hook": "PreDelete"}, False, True),
        ({"argocd.argoproj.io/hook": "PreSync,PostDelete"}, True, True),
        ({"helm.sh/hook": "post-delete"}, False, True),
        ({"helm.sh/hook": "pre-delete,pre-upgrade"}, True, True),
        ({"helm.sh/hook": "pre-rollback"}, False, False),
        ({"argocd.argoproj.io/hook": "Skip"}, False, False),
        ({}, True, False),
    ],
)
def test_deletion_hooks_are_kept_apart_from_what_a_sync_applies(
    annotations: Any, is_synced: bool, runs_at_deletion: bool
) -> None:
    hook = obj(metadata={"name": "a", "annotations": annotations})
    prepared = prepare([hook], Terms("shop", "there"), lambda _, kind: KINDS.get(kind))
    assert (bool(prepared.objects), bool(prepared.deletion_hooks)) == (is_synced, runs_at_deletion)
    assert prepared.warnings == ()


def test_a_refusal_says_where_the_text_stands() -> None:
    with pytest.raises(InvalidInput, match=r"^deploy/web\.yaml:7: ConfigMap has no metadata\.name: give it one$"):
        prepare([{"apiVersion": "v1", "kind": "ConfigMap"}], Terms("shop", "there"), lambda *_: None, ["deploy/web.yaml:7"])


def test_a_kind_is_known_from_a_crd_among_the_objects() -> None:
    crd: Obj = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.x"},
        "spec": {
            "group": "x",
            "scope": "Cluster",
            "names": {"kind": "Widget", "plural": "widgets"},
            "versions": [{"name": "v2", "served": True, "storage": True}],
        },
    }
    prepared = prepare(
        [{"apiVersion": "x/v2", "kind": "Widget", "metadata": {"name": "w"}}, crd], Terms("shop", "there"), lambda *_: None
    )
    assert prepared.objects[0].resource == Resource("x", "v2", "Widget", "widgets", namespaced=False, status_subresource=False)
    assert "namespace" not in prepared.objects[0].obj["metadata"]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"kind": "ConfigMap", "metadata": {"name": "a"}}, "has no apiVersion or kind"),
        ({"apiVersion": "v1", "kind": "ConfigMap"}, "has no metadata.name"),
        (obj(metadata={"name": "a", "annotations": {"x": 1}}), "metadata.annotations must be strings"),
        (obj(metadata={"name": "a", "annotations": {"argocd.argoproj.io/hook": "PreSink"}}), "hook type PreSink is not known"),
    ],
)
@pytest.mark.compat("argocd:hook.unknown")
def test_objects_that_no_server_could_take_are_refused(broken: Obj, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        ready(broken)


def hashed(key: bytes, content: Obj, *, is_stripped: bool = False) -> str:
    desired = prepare([obj(data=content)], Terms("shop", "there"), lambda _, kind: KINDS.get(kind)).objects[0]
    return keyed_hash(key, desired, dict(desired.obj) if is_stripped else desired.obj)


def test_the_hash_depends_on_content_and_key_but_not_on_the_order_of_fields() -> None:
    assert hashed(b"k", {"a": "1", "b": "2"}) == hashed(b"k", {"b": "2", "a": "1"})
    assert hashed(b"k", {"a": "1"}) != hashed(b"k", {"a": "2"})
    assert hashed(b"k", {"a": "1"}) != hashed(b"other", {"a": "1"})
    assert hashed(b"k", {"a": "1"}) == hashed(b"k", {"a": "1"}, is_stripped=True)


def test_a_render_is_prepared_once() -> None:
    memory = Preparations()
    rendered = Rendered((obj(data={"a": "1"}),), "Directory", ())
    first = memory.prepare((rendered,), Terms("shop", "there"), lambda _, kind: KINDS.get(kind))
    assert memory.prepare((rendered,), Terms("shop", "there"), lambda _, kind: KINDS.get(kind)) is first
    assert memory.prepare((rendered,), Terms("shop", "elsewhere"), lambda _, kind: KINDS.get(kind)) is not first
    unknown = memory.prepare((rendered,), Terms("shop", "there"), lambda *_: None)
    assert unknown.objects[0].resource is None


@pytest.mark.parametrize(
    ("text", "instances"),
    [
        ("shop:/ConfigMap:there/a", ("shop",)),
        ("shop:/ConfigMap:there/b", ()),
        ("shop:apps/Deployment:there/a", ()),
        ("shop:/ConfigMap:elsewhere/a", ()),
        ("nonsense", ()),
        ("", ()),
    ],
)
@pytest.mark.compat("argocd:resource.tracking-id")
def test_an_id_that_describes_another_object_is_disregarded(text: str, instances: tuple[str, ...]) -> None:
    meta = {"name": "a", "namespace": "there", "annotations": {"argocd.argoproj.io/tracking-id": text}}
    assert tuple(tracked_by(obj(metadata=meta))) == instances


@pytest.mark.compat("argocd:resource.tracking-id")
def test_tracking_ids_of_cluster_scoped_objects_and_of_foreign_namespaces() -> None:
    namespace = obj("Namespace", metadata={"name": "n"})
    assert tracking_id("shop", namespace, "there") == "shop:/Namespace:there/n"
    tracked = obj(
        "Namespace", metadata={"name": "n", "annotations": {"argocd.argoproj.io/tracking-id": "shop:/Namespace:there/n"}}
    )
    assert tuple(tracked_by(tracked)) == ("shop",)
    for key in (ObjectKey("argocd", "shop"), ObjectKey("team", "shop")):
        assert instance_key(instance_name(key, "argocd"), "argocd") == key


@pytest.mark.compat("argocd:spec.source.environment")
def test_the_revision_makes_a_render_differ_only_where_it_is_asked_for() -> None:
    app: Obj = {"metadata": {"name": "shop", "namespace": "argocd"}, "spec": {"destination": {"namespace": "there"}}}
    plain: Obj = {"repoURL": "r", "path": "p", "targetRevision": "main"}
    heads = [Head(commit * 40, (PathTree("", "same"),)) for commit in "ab"]
    assert source.render_ask(app, plain, heads[0]) == source.render_ask(app, plain, heads[1])
    first, second = (source.render_ask(app, plain, head, told=source.Told(with_revision=True)) for head in heads)
    assert first != second
    assert dict(first.request.build_env)["ARGOCD_APP_REVISION_SHORT"] == "aaaaaaa"


def test_the_question_where_a_branch_stands_does_not_hold_the_branch_twice() -> None:
    ask = source.head_ask({"repoURL": "r", "path": "p", "targetRevision": "main"}, "main")
    assert ask.request.source == b'{"path":"p","repoURL":"r"}'
    assert (ask.lane, ask.standing) == ("r", True)


@pytest.mark.parametrize(("validates", "option"), [(True, "Validate=false"), (False, ""), (True, "")])
@pytest.mark.compat("argocd:option.Validate=false")
def test_fields_that_a_kind_does_not_have_are_dropped_where_the_user_asks_for_no_validation(
    validates: bool, option: str
) -> None:
    manifest = obj(data={"a": "1"}, dta={"b": "2"})
    manifest["metadata"]["annotations"] = {"argocd.argoproj.io/sync-options": option} if option else {}
    found = prepare([manifest], Terms("shop", "there", validates), lambda _, kind: KINDS.get(kind)).objects[0].obj
    assert found["data"] == {"a": "1"}
    assert ("dta" in found) is (validates and not option)
