"""`applicationsetcontroller.*` of `argocd-cmd-params-cm`: how it is read, and what a set comes to under it."""

from typing import Any

import pytest

from shipway.api.applicationset import parse_set
from shipway.api.forges import ForgeTerms
from shipway.appsets.evaluation import Evaluation, evaluate
from shipway.appsets.scene import Dialect, Scene
from shipway.appsets.terms import Terms, terms_of, under
from shipway.kube.objects.resource import Obj
from tests.unit.appsets.sets import Answers, made, surroundings

P = "applicationsetcontroller"
PULLS: Obj = {"pullRequest": {"github": {"owner": "acme", "repo": "shop", "api": "https://git.acme.test"}}}
BRANCHES: Obj = {"scmProvider": {"gitea": {"owner": "acme", "api": "https://git.acme.test"}}}
USUAL: Obj = {"pullRequest": {"github": {"owner": "acme", "repo": "shop"}}}


def said(**values: str) -> Terms:
    return terms_of({f"{P}.{key.replace('__', '.')}": value for key, value in values.items()})


def test_where_nothing_is_said_everything_is_permitted_in_our_own_namespace() -> None:
    assert terms_of({}) == Terms()
    assert terms_of({"other": "x"}).forges == ForgeTerms()


@pytest.mark.compat(
    "argocd:appset.enable.scm.providers", "argocd:appset.allowed.scm.providers", "argocd:appset.tokenref.strict"
)
def test_what_guards_secrets_is_never_weaker_than_what_was_meant() -> None:
    terms = said(enable__scm__providers="false", allowed__scm__providers="https://a.test, https://b.test ,")
    assert terms.forges == ForgeTerms(is_enabled=False, allowed=("https://a.test", "https://b.test"))
    assert said(enable__tokenref__strict__mode="true").forges.is_strict
    assert not said(enable__tokenref__strict__mode="false").forges.is_strict
    unreadable = said(enable__tokenref__strict__mode="yes", enable__scm__providers="nope")
    assert unreadable.forges == ForgeTerms(is_enabled=False, is_strict=True)


@pytest.mark.compat("argocd:appset.policy")
@pytest.mark.parametrize(
    ("installation", "override", "chosen", "effective"),
    [
        ("", "", "", ""),
        ("", "", "create-only", "create-only"),
        ("", "false", "create-only", "create-only"),
        ("create-update", "", "", "create-update"),
        ("create-update", "", "sync", "create-update"),
        ("create-update", "true", "sync", "sync"),
        ("create-update", "true", "", "create-update"),
        ("sync", "", "create-only", "sync"),
    ],
)
def test_the_policy_of_an_installation_counts_unless_sets_may_choose(
    installation: str, override: str, chosen: Any, effective: str
) -> None:
    spec = parse_set(made(syncPolicy={"applicationsSync": chosen, "preserveResourcesOnDeletion": True}))
    found = under(spec, said(policy=installation, enable__policy__override=override)).policy
    assert (found.applications_sync, found.preserve_resources_on_deletion) == (effective, True)


def test_a_policy_that_does_not_exist_permits_nothing_and_is_named() -> None:
    terms = said(policy="crete-only", enable__policy__override="true")
    spec = under(parse_set(made(syncPolicy={"applicationsSync": "sync"})), terms)
    assert not spec.may_update and not spec.may_delete
    assert "applicationsetcontroller.policy: 'crete-only' is none of sync, create-only" in terms.problem


def test_namespaces_are_globs_or_expressions_and_one_that_is_none_is_named() -> None:
    terms = said(namespaces="team-*,/^dev-[0-9]+$/")
    assert [terms.serves(one) for one in ("team-a", "dev-7", "dev-x", "prod")] == [True, True, False, False]
    assert Terms().serves("anywhere")
    assert "applicationsetcontroller.namespaces: '/(/' is not a valid" in said(namespaces="/(/").problem


def test_what_all_sets_leave_to_others_comes_to_what_one_leaves() -> None:
    terms = said(global__preserved__annotations="a.test/x,b.test/y", global__preserved__labels="team")
    kept = under(parse_set(made(preservedFields={"annotations": ["c.test/z"]})), terms).preserved_fields
    assert kept is not None and (kept.annotations, kept.labels) == (("c.test/z", "a.test/x", "b.test/y"), ("team",))


def asked(terms: Terms, generator: Obj, namespace: str = "argocd") -> Evaluation:
    spec = parse_set(made(generator))
    return evaluate(made(generator), spec, Scene(Dialect(True), surroundings(terms=terms), Answers(), namespace, "fleet"))


@pytest.mark.compat("argocd:appset.enable.scm.providers", "argocd:appset.allowed.scm.providers")
@pytest.mark.parametrize(
    ("terms", "generator", "namespace", "told"),
    [
        (ForgeTerms(is_enabled=False), USUAL, "argocd", "scm providers are disabled"),
        (ForgeTerms(is_enabled=False), BRANCHES, "argocd", "scm providers are disabled"),
        (ForgeTerms(allowed=("https://a.test", "https://b.test")), PULLS, "argocd", "https://git.acme.test"),
        (ForgeTerms(allowed=("https://a.test", "https://b.test")), BRANCHES, "team-a", "https://git.acme.test"),
        (ForgeTerms(), USUAL, "team-a", "generators that ask a forge are for sets in argocd only, until"),
        (ForgeTerms(allowed=("https://git.acme.test",)), PULLS, "team-a", ""),
        (ForgeTerms(allowed=("https://git.acme.test",)), USUAL, "argocd", ""),
    ],
)
def test_a_forge_that_may_not_be_asked_is_not_asked(terms: ForgeTerms, generator: Obj, namespace: str, told: str) -> None:
    wanted = asked(Terms(forges=terms), generator, namespace)
    assert bool(wanted.asks) == (not told)
    if told.startswith("https:"):
        told = (
            'scm provider not allowed: scm provider "https://git.acme.test" not allowed, must use one of the following: '
            "https://a.test, https://b.test"
        )
    assert [told in one.message for one in wanted.problems] == ([True] if told else [])
    assert wanted.is_complete == (not told)


def test_a_question_carries_the_terms_on_which_it_is_put() -> None:
    (ask,) = asked(Terms(forges=ForgeTerms(is_strict=True)), USUAL).asks
    assert ask.terms.is_strict  # type: ignore[attr-defined]


@pytest.mark.compat("argocd:appset.requeue.after")
@pytest.mark.parametrize(
    ("said_of_all", "said_here", "seconds"),
    [("30s", None, 30.0), ("30s", 600, 600.0), ("500ms", None, 0.0), ("soon", None, 0.0), ("", None, 0.0)],
)
def test_how_often_generators_look_that_do_not_say(said_of_all: str, said_here: int | None, seconds: float) -> None:
    terms = said(requeue__after=said_of_all)
    each = {} if said_here is None else {"requeueAfterSeconds": said_here}
    git: Obj = {"git": {"repoURL": "https://git.test/a.git", "files": [{"path": "apps/*"}], **each}}
    decisions: Obj = {"clusterDecisionResource": {"configMapRef": "ocm", "name": "placed", **each}}
    for generator, otherwise in ((git, 0.0), (decisions, 180.0)):
        scene = Scene(Dialect(True), surroundings(terms=terms), Answers(apps=[]))
        (ask,) = evaluate(made(generator), parse_set(made(generator)), scene).asks
        assert ask.every == (seconds or otherwise)  # type: ignore[attr-defined]


@pytest.mark.compat("argocd:appset.git.hidden")
def test_hidden_folders_count_where_the_installation_says_so() -> None:
    generator: Obj = {"git": {"repoURL": "https://git.test/a.git", "directories": [{"path": "apps/*"}]}}
    for text, counts in (("true", True), ("", False)):
        terms = terms_of({"reposerver.include.hidden.directories": text})
        (ask,) = evaluate(
            made(generator), parse_set(made(generator)), Scene(Dialect(True), surroundings(terms=terms), Answers(apps=[]))
        ).asks
        assert ask.request.with_hidden == counts  # type: ignore[attr-defined]


@pytest.mark.compat("argocd:appset.git.globbing")
def test_stars_stop_at_slashes_in_files_alone() -> None:
    listings = Answers(apps=[])
    for what, stops in (("files", True), ("directories", False)):
        generator: Obj = {"git": {"repoURL": "https://git.test/a.git", what: [{"path": "apps/*"}]}}
        scene = Scene(Dialect(True), surroundings(terms=said(enable__new__git__file__globbing="true")), listings)
        (ask,) = evaluate(made(generator), parse_set(made(generator)), scene).asks
        assert ask.request.stars_stop == stops  # type: ignore[attr-defined]
