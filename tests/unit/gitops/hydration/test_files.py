"""What stands in a branch of rendered manifests."""

import orjson
import pytest

from shipway.api.hydration import CommitSettings, DryCommit
from shipway.gitops.hydration.commands import commands_of
from shipway.gitops.hydration.files import (
    Metadata,
    manifest_of,
    message_of,
    metadata_of,
    note_of,
    readme_of,
    readme_values,
)
from shipway.gitops.hydration.references import references_in
from shipway.gitops.hydration.settings import read_commit_settings
from shipway.kube.objects import yaml

SHA = "6cb951525937865dced818bbdd78c89b2d2b3045"
URL = "https://git.example.com/owner/manifests"
MESSAGE = """\
chore: bump image to b82add2

Why it is bumped.

Argocd-reference-commit-author: Author Name <author@example.com>
Argocd-reference-commit-sha: b82add298aa045d3672880802d5305c5a8aaa46e
Argocd-reference-commit-subject: chore: make a change
Argocd-reference-commit-body: "make a change\\n\\nSigned-off-by: A <a@b.c>"
Argocd-reference-commit-repourl: https://git.example.com/owner/repo
Argocd-reference-commit-date: 2025-06-09T13:50:18-04:00
Signed-off-by: CI <ci@example.com>
"""
DRY = DryCommit("CI <ci@example.com>", "2025-06-09T17:50:08Z", MESSAGE)


@pytest.mark.compat("argocd:spec.sourceHydrator")
def test_the_metadata_say_what_argo_cd_writes_in_its_order() -> None:
    name, text = metadata_of(URL, SHA, DRY).file
    assert name == "hydrator.metadata"
    assert text.startswith(b'{\n  "repoURL": "https://git.example.com/owner/manifests",\n  "drySha": "6cb95')
    assert text.endswith(b"\n}\n")
    assert orjson.loads(text) == {
        "repoURL": URL,
        "drySha": SHA,
        "author": "CI <ci@example.com>",
        "date": "2025-06-09T17:50:08Z",
        "subject": "chore: bump image to b82add2",
        "body": "Why it is bumped.\n\nSigned-off-by: CI <ci@example.com>\n",
        "references": [
            {
                "commit": {
                    "author": '"Author Name" <author@example.com>',
                    "sha": "b82add298aa045d3672880802d5305c5a8aaa46e",
                    "subject": "chore: make a change",
                    "body": "make a change\n\nSigned-off-by: A <a@b.c>",
                    "repoURL": "https://git.example.com/owner/repo",
                    "date": "2025-06-09T13:50:18-04:00",
                }
            }
        ],
    }
    assert Metadata(URL, SHA, ("kustomize build x",)).file[1].count(b"\n") == 7


def test_the_message_names_the_commit_and_who_had_a_hand_in_it() -> None:
    assert message_of(metadata_of(URL, SHA, DRY)) == (
        "6cb9515: chore: bump image to b82add2\n\nWhy it is bumped.\n\nSigned-off-by: CI <ci@example.com>\n\n"
        'Co-authored-by: "Author Name" <author@example.com>\nCo-authored-by: CI <ci@example.com>\n'
    )
    assert message_of(metadata_of(URL, SHA, DryCommit("", "", "fix"))) == "6cb9515: fix\n"
    assert note_of(SHA) == b'{"drySha":"%s"}' % SHA.encode()


@pytest.mark.parametrize(
    "line",
    [
        "Argocd-reference-commit-sha: xyz",
        "Argocd-reference-commit-author: nobody",
        "Argocd-reference-commit-body: no JSON",
        "Argocd-reference-commit-date: yesterday",
        "Argocd-reference-commit-unknown: x",
        "Argocd-reference-commit-sha:b82add2",
    ],
)
def test_a_line_that_does_not_say_what_it_should_stays_a_line(line: str) -> None:
    assert references_in(f"before\n{line}\n") == ([], f"before\n{line}\n")


def test_of_two_lines_the_last_counts() -> None:
    body = "Argocd-reference-commit-sha: aaaaa\nArgocd-reference-commit-sha: bbbbb\n"
    assert references_in(body) == ([{"commit": {"sha": "bbbbb"}}], "")


def test_the_manifests_are_read_back_as_they_were_rendered() -> None:
    objects = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"on": "yes", "x": "1e3", "y": "a\nb\n"}},
        {"apiVersion": "v1", "kind": "List", "items": []},
    ]
    assert yaml.load_all(manifest_of(objects)) == objects
    assert manifest_of([]) == b""


def test_a_readme_says_how_to_render_the_same() -> None:
    metadata = metadata_of(URL, SHA, DRY)
    shown = readme_of(Metadata(URL, SHA, ("kustomize build web",), references=metadata.references)).decode()
    assert f"git clone {URL}\ngit checkout {SHA} # in the clone, as all that follows\nkustomize build web\n```" in shown
    assert "* [b82add2](https://git.example.com/owner/repo): chore: make a change" in shown
    values = readme_values(metadata)
    assert (values["RepoURL"], values["DrySHA"], values["Commands"]) == (URL, SHA, [])
    assert values["References"][0]["Commit"]["SHA"].startswith("b82add2")


@pytest.mark.parametrize(
    ("source", "kind", "told"),
    [
        ({"path": "web"}, "Directory", ()),
        ({"path": "web"}, "Kustomize", ("kustomize build web",)),
        (
            {
                "path": "a b",
                "helm": {
                    "releaseName": "r",
                    "valueFiles": ["prod.yaml"],
                    "parameters": [{"name": "x", "value": "1 2", "forceString": True}],
                    "skipCrds": True,
                },
            },
            "Helm",
            ("helm template r 'a b' --namespace shop --values 'a b/prod.yaml' --set-string 'x=1 2'",),
        ),
    ],
)
def test_the_commands_render_the_same(source, kind, told) -> None:
    assert commands_of(source, kind, "web", "shop") == told


def test_who_commits_and_with_which_words_stands_in_argocd_cm() -> None:
    assert read_commit_settings({}) == CommitSettings()
    said = {
        "commit.author.name": "Robot",
        "commit.author.email": "robot@example.com",
        "sourceHydrator.commitMessageTemplate": "{{ .metadata.drySha }}",
        "sourceHydrator.readmeMessageTemplate": "# {{ .DrySHA }}",
    }
    assert read_commit_settings(said) == CommitSettings(
        "Robot", "robot@example.com", "{{ .metadata.drySha }}", "# {{ .DrySHA }}"
    )
