"""Whose signature a git generator asks for before it reads a commit: that of the AppProjects which the set names."""

from typing import Any

import pytest

from shipway.api.applicationset import parse_set
from shipway.api.signatures import SignaturePolicy
from shipway.appsets.asks import ListingAsk
from shipway.appsets.evaluation import Evaluation, evaluate
from shipway.appsets.scene import Dialect, Scene
from shipway.kube.objects.resource import Obj
from tests.unit.appsets.sets import TEMPLATE, Answers, made, project, surroundings

KEY, OTHER = "4AEE18F83AFDEB23", "1111222233334444"
TEAM = project("team", signatureKeys=[{"keyID": KEY}])
FOLDERS: Obj = {"git": {"repoURL": "https://git.test/fleet.git", "directories": [{"path": "apps/*"}]}}
FILES: Obj = {"git": {"repoURL": "https://git.test/fleet.git", "files": [{"path": "apps/*"}]}}
ELEMENTS: Obj = {"list": {"elements": [{"name": "a"}]}}


def of(name: str) -> Obj:
    return {**TEMPLATE, "spec": {**TEMPLATE["spec"], "project": name}}  # type: ignore[dict-item]


def evaluated(generator: Obj, template: Obj, *projects: Obj) -> Evaluation:
    spec = parse_set(made(generator, template=template))
    scene = Scene(Dialect(True), surroundings(projects=projects), Answers(apps=[("apps/a", {"name": "a"})]), "argocd", "fleet")
    return evaluate(made(generator, template=template), spec, scene)


def asked(generator: Obj, template: Obj, *projects: Obj) -> tuple[SignaturePolicy, ...]:
    """Of the one listing that is asked for."""
    wanted = evaluated(generator, template, *projects)
    (listing,) = [ask for ask in wanted.asks if isinstance(ask, ListingAsk)]
    return listing.request.signed_by


def login(namespace: str, template: Obj, *projects: Obj) -> str:
    """For which project the one listing is asked for."""
    appset = made(FOLDERS, template=template)
    scene = Scene(Dialect(True), surroundings(projects=projects), Answers(apps=[]), namespace, "fleet")
    (listing,) = evaluate(appset, parse_set(appset), scene).asks
    assert isinstance(listing, ListingAsk)
    return listing.request.project


@pytest.mark.compat("argocd:project.scoped")
def test_a_repository_is_read_with_the_logins_of_the_project_where_its_applications_may_be() -> None:
    team = project("team", sourceNamespaces=["team-*"])
    assert login("argocd", of("team"), project("team")) == "team"
    assert login("argocd", of("{{.x}}"), team) == ""
    assert login("team-a", of("team"), team) == "team"
    assert login("other", of("team"), team) == "", "whoever may write a set there would read what only the project may"
    assert login("team-a", of("team"), project("team")) == ""


@pytest.mark.compat("argocd:appset.git.signatureKeys")
@pytest.mark.parametrize(
    "generator",
    [
        FOLDERS,
        FILES,
        {"matrix": {"generators": [ELEMENTS, FILES]}},
        {"matrix": {"generators": [ELEMENTS, {"merge": {"mergeKeys": ["name"], "generators": [FILES, ELEMENTS]}}]}},
        {"merge": {"mergeKeys": ["name"], "generators": [ELEMENTS, FILES]}},
    ],
    ids=["folders", "files", "matrix", "both", "merge"],
)
def test_a_generator_asks_for_the_keys_of_the_project_that_the_set_names(generator: Obj) -> None:
    assert asked(generator, of("team"), TEAM) == (SignaturePolicy(gpg=(KEY,)),)
    assert asked(generator, of("team"), project("team")) == ()


@pytest.mark.compat("argocd:appset.git.signatureKeys")
def test_a_project_that_a_template_has_to_say_asks_for_nothing() -> None:
    assert asked(FOLDERS, of("{{.path.basename}}"), TEAM) == ()
    assert asked(FOLDERS, of("te{{.x}}am"), TEAM) == ()


def test_where_no_project_is_named_it_is_the_default_one() -> None:
    default = project("default", signatureKeys=[{"keyID": KEY}])
    assert asked(FOLDERS, of(""), default) == (SignaturePolicy(gpg=(KEY,)),)


def test_a_generator_with_a_project_of_its_own_asks_for_the_keys_of_both() -> None:
    strict = project("strict", signatureKeys=[{"keyID": OTHER}])
    generator: Any = {"git": {**FOLDERS["git"], "template": {"spec": {"project": "strict"}}}}
    assert asked(generator, of("team"), TEAM, strict) == (SignaturePolicy(gpg=(KEY,)), SignaturePolicy(gpg=(OTHER,)))
    assert asked(generator, of("{{.name}}"), strict) == (SignaturePolicy(gpg=(OTHER,)),)


def test_keys_of_ssh_and_policies_of_single_repositories_count_too() -> None:
    line = "dev@example.com ssh-ed25519 AAAAC3Nz"
    by_ssh = project("team", {"shipway.dev/allowed-signers": line})
    assert asked(FOLDERS, of("team"), by_ssh) == (SignaturePolicy(ssh=("ssh-ed25519 AAAAC3Nz",)),)
    docs = {"repos": ["https://git.test/fleet.git"], "gpg": {"mode": "none"}}
    every = {"repos": ["*"], "gpg": {"mode": "strict", "keys": [KEY]}}
    lenient = project("team", sourceIntegrity={"git": {"policies": [docs, every]}}, signatureKeys=[{"keyID": OTHER}])
    assert asked(FOLDERS, of("team"), lenient) == ()
    (strict,) = asked(FOLDERS, of("team"), project("team", sourceIntegrity={"git": {"policies": [every]}}))
    assert (strict.gpg, strict.is_strict) == ((KEY,), True)


@pytest.mark.compat("argocd:appset.git.signatureKeys")
@pytest.mark.parametrize(
    ("projects", "told"),
    [
        ((), 'error getting project team: appprojects.argoproj.io "team" not found'),
        ((project("team", signatureKeys=[{"keyID": ""}]),), "AppProject team: signatureKeys[0].keyID: '' is no id"),
        (
            (project("team", {"shipway.dev/allowed-signers": "rubbish"}),),
            "AppProject team: annotation shipway.dev/allowed-signers: line 1",
        ),
        ((project("team", signatureKeys="all"),), "AppProject team: spec.signatureKeys: expected"),
    ],
    ids=["none", "empty key", "no signer", "no list"],
)
def test_a_project_that_cannot_say_who_signs_fails_the_generator(projects: tuple[Obj, ...], told: str) -> None:
    wanted = evaluated(FOLDERS, of("team"), *projects)
    (problem,) = wanted.problems
    assert (
        problem.message.startswith(f"spec.generators[0].git: {told}")
        and problem.reason == "ApplicationGenerationFromParamsError"
    )
    assert not wanted.is_complete and not wanted.asks and not wanted.applications


def test_generators_that_read_no_repository_look_at_no_project() -> None:
    assert list(evaluated(ELEMENTS, of("nowhere")).applications) == ["a"]
