"""`shipway app set`: what no flag speaks of stays."""

from typing import Any

import pytest

from shipway.api.kinds import APP_PROJECTS, APPLICATIONS
from shipway.base.errors import InvalidInput
from shipway.cli.app_set import WhileFlags, follow_for, refuse_others, set_spec
from shipway.cli.app_spec import SpecFlags, overlaid
from shipway.gitops.hold import hold_of, sentence
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from tests.unit.cli.conftest import Shop
from tests.unit.cli.objects import application
from tests.unit.cli.test_app_diff import PROJECT


@pytest.mark.proves("gitops:set-revision")
async def test_another_revision_is_one_write(shop: Shop) -> None:
    before = await shop.create(APPLICATIONS, application())
    assert await set_spec(shop.session, "shop", SpecFlags(revision="release-7")) == 0
    after = await shop.app("shop")
    assert after["spec"] == {**before["spec"], "source": {**before["spec"]["source"], "targetRevision": "release-7"}}
    assert after["status"] == before["status"]
    several = {"spec": {"source": None, "sources": [{"repoURL": "https://git.example/a.git"}]}}
    await shop.client.patch(APPLICATIONS, "argocd", "shop", several)
    with pytest.raises(InvalidInput, match="several sources"):
        await set_spec(shop.session, "shop", SpecFlags(revision="release-8"))


@pytest.mark.proves("001-15")
async def test_another_revision_for_a_while_leaves_the_spec_as_it_is(shop: Shop) -> None:
    await shop.create(APPLICATIONS, application())
    before = (await shop.app("shop"))["spec"]
    assert await follow_for(shop.session, "shop", "release-7", WhileFlags(3600.0, "a hot fix")) == 0
    app = await shop.app("shop")
    assert app["spec"] == before
    hold = hold_of(app)
    assert hold is not None and hold.pinned.revisions == ("release-7",)
    assert hold.ends_at == pytest.approx(shop.session.clock.now() + 3600.0, abs=5)
    assert sentence(app, hold).startswith("held at release-7 by ")


def test_only_a_revision_can_pass() -> None:
    with pytest.raises(InvalidInput, match="--for is for --revision alone"):
        refuse_others(SpecFlags(revision="a", path="b"))
    refuse_others(SpecFlags(revision="a"))


@pytest.mark.parametrize(
    ("field", "before", "stated", "after"),
    [
        (
            "parameters",
            [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}],
            [{"name": "a", "value": "3"}],
            [{"name": "b", "value": "2"}, {"name": "a", "value": "3"}],
        ),
        ("images", ["web=x:1", "api:1", "db@sha256:0"], ["api:2", "web=y:1"], ["db@sha256:0", "api:2", "web=y:1"]),
        ("images", ["r:5000/a:1", "r:5000/b:1"], ["r:5000/a:2"], ["r:5000/b:1", "r:5000/a:2"]),
        ("syncOptions", ["Replace=true", "CreateNamespace=true"], ["Replace=false"], ["CreateNamespace=true", "Replace=false"]),
        ("valueFiles", ["a.yaml"], ["b.yaml"], ["b.yaml"]),
    ],
)
def test_lists_with_names_are_changed_by_name(field: str, before: Any, stated: Any, after: Any) -> None:
    assert overlaid({"source": {field: before, "path": "web"}}, {"source": {field: stated}}) == {
        "source": {field: after, "path": "web"}
    }


@pytest.mark.parametrize(
    ("flags", "path", "value"),
    [
        ({"sync_policy": "none"}, ("syncPolicy",), {"syncOptions": ["CreateNamespace=true"]}),
        ({"dest_name": "in-cluster"}, ("destination",), {"name": "in-cluster", "namespace": "shop"}),
        ({"dest_namespace": "other"}, ("destination", "server"), "https://kubernetes.default.svc"),
        ({"helm_set": ("a=1",)}, ("source", "helm"), {"parameters": [{"name": "a", "value": "1"}]}),
        ({"sync_retry_limit": 0}, ("syncPolicy", "automated"), {"prune": True, "selfHeal": True}),
    ],
)
async def test_what_flags_change(shop: Shop, flags: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    app: Obj = application()
    app["spec"]["syncPolicy"]["syncOptions"] = ["CreateNamespace=true"]
    await shop.create(APPLICATIONS, app)
    assert await set_spec(shop.session, "shop", SpecFlags(**flags)) == 0
    assert dig(await shop.app("shop"), "spec", *path) == value


async def test_labels_are_added(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    app = application()
    app["metadata"] |= {"labels": {"a": "1"}, "finalizers": ["mine/keep"]}
    await shop.create(APPLICATIONS, app)
    assert await set_spec(shop.session, "shop", SpecFlags(label=("b=2",), set_finalizer=True)) == 0
    meta = (await shop.app("shop"))["metadata"]
    assert meta["labels"] == {"a": "1", "b": "2"}
    assert meta["finalizers"] == ["mine/keep", "resources-finalizer.argocd.argoproj.io"]
    assert capsys.readouterr().out == "application.argoproj.io/shop\n"


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        ({}, "say what to change"),
        ({"sync_option": ("CreateNamespaces=true",)}, "mind the spelling"),
        ({"repo": "https://elsewhere.example/x.git"}, "is not permitted in project"),
        ({"project": "none"}, "AppProject none does not exist"),
    ],
)
async def test_what_the_engine_would_refuse_is_never_written(shop: Shop, flags: dict[str, Any], problem: str) -> None:
    strict = {**PROJECT, "spec": {**PROJECT["spec"], "sourceRepos": ["https://git.example/*"]}}
    await shop.create(APP_PROJECTS, strict)
    before = await shop.create(APPLICATIONS, application())
    with pytest.raises(InvalidInput, match=problem):
        await set_spec(shop.session, "shop", SpecFlags(**flags))
    assert (await shop.app("shop"))["spec"] == before["spec"]
