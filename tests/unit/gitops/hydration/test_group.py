"""Which Applications are rendered together, and which of them may not write where they would."""

from typing import Any

import pytest

from shipway.gitops.hydration.group import Claim, clean, disputes, group_of, places_of, problem_of
from shipway.kube.runtime.controller import ObjectKey

REPO = "https://git.test/shop.git"


def app(dry: str = REPO, revision: str = "main", branch: str = "env", **hydrator: Any):
    drawn = {"repoURL": dry, "targetRevision": revision, "path": "web"}
    return {"spec": {"sourceHydrator": {"drySource": drawn, "syncSource": {"targetBranch": branch, "path": "web"}, **hydrator}}}


@pytest.mark.parametrize(
    "other",
    [
        app("https://GIT.test/shop/"),
        app("https://me:secret@git.test/shop"),
        app(hydrateTo={"targetBranch": "env"}, branch="elsewhere"),
        app(syncSource={"repoURL": REPO, "targetBranch": "env", "path": "api"}),
    ],
)
def test_one_revision_into_one_branch_is_one_group_however_it_is_spelt(other) -> None:
    assert group_of(other) == group_of(app())


@pytest.mark.parametrize(
    "other",
    [app("https://git.test/other"), app(revision="v2"), app(branch="prod"), app("https://git.test/Shop.git")],
)
def test_other_sources_and_branches_are_other_groups(other) -> None:
    assert group_of(other) != group_of(app())


def test_a_group_shows_no_login_and_files_by_the_branch() -> None:
    group = group_of(app("https://me:secret@git.test/shop"))
    assert str(group) == "https://git.test/shop@main in https://git.test/shop#env"
    assert list(places_of(app())) == ["https://git.test/shop env"] == list(places_of(app(revision="v2")))


@pytest.mark.parametrize("found", [{}, {"spec": {"sourceHydrator": {}}}, app(dry=""), app(branch="")])
def test_what_says_too_little_has_no_group(found) -> None:
    assert group_of(found) is None


@pytest.mark.parametrize("path", ["", ".", "/", "./", "a/.."])
def test_nothing_is_written_to_the_root(path: str) -> None:
    assert problem_of(path, "env") == (
        f'app is configured to hydrate to the repository root (branch "env", path "{path}") which is not allowed'
    )


@pytest.mark.parametrize("path", ["..", "../x", "a/../../b", ".git/hooks", "a/.GIT", "a\nb"])
def test_nothing_is_written_beside_the_repository_or_into_what_is_gits_own(path: str) -> None:
    assert "is no folder of the repository" in problem_of(path, "env")


def claim(name: str, path: str, *, is_ours: bool = True) -> Claim:
    return Claim(ObjectKey("argocd", name), clean(path), is_ours)


@pytest.mark.parametrize(
    ("claims", "wrong"),
    [
        ([claim("a", "web"), claim("b", "api")], ""),
        ([claim("a", "web"), claim("b", "web/inner")], ""),
        ([claim("a", "web"), claim("b", "web-2", is_ours=False)], ""),
        ([claim("a", "web"), claim("b", "./web/")], "ab"),
        ([claim("a", "web"), claim("b", "web", is_ours=False)], "ab"),
        ([claim("a", "web"), claim("b", "web/inner", is_ours=False)], "ab"),
        ([claim("a", "web/inner/x"), claim("b", "web", is_ours=False), claim("c", "api")], "ab"),
    ],
)
def test_a_folder_has_one_writer(claims: list[Claim], wrong: str) -> None:
    found = disputes(claims)
    assert {key.name for key in found} == set(wrong)
    if wrong:
        assert found[ObjectKey("argocd", "a")].startswith("app argocd/b hydrator use the same destination: web")
