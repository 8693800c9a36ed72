"""What stands in a branch of rendered manifests, as Argo CD's hydrator lays it out.

    hydrator.metadata            which commit was rendered, who wrote it, and what it refers to
    .gitattributes               tells forges what no person has to read
    <path>/manifest.yaml         what one Application's source gives
    <path>/hydrator.metadata     from which commit, and by which commands
    <path>/README.md             the same for people

Nothing of an engine stands in it (no tracking annotation): what a commit renders to depends on that commit alone.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from shipway.api.hydration import MANIFEST, DryCommit
from shipway.gitops.hydration.references import references_in
from shipway.kube.objects import yaml
from shipway.kube.objects.resource import Obj

METADATA, README = "hydrator.metadata", "README.md"
GIT_ATTRIBUTES = (".gitattributes", b"**/README.md linguist-generated=true\n**/hydrator.metadata linguist-generated=true")
_SHORT = 7


class Metadata(Struct, frozen=True, omit_defaults=True):
    """`hydrator.metadata`, in the order of its fields."""

    repo_url: str = msgspec.field(name="repoURL", default="")
    dry_sha: str = msgspec.field(name="drySha", default="")
    commands: tuple[str, ...] = ()
    author: str = ""
    date: str = ""
    subject: str = ""
    body: str = ""
    references: tuple[Obj, ...] = ()

    @property
    def fields(self) -> Obj:
        """As templates of the commit message see it."""
        return msgspec.to_builtins(self)

    @property
    def file(self) -> tuple[str, bytes]:
        return METADATA, msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


def metadata_of(repo_url: str, sha: str, dry: DryCommit) -> Metadata:
    """What a commit says that was rendered."""
    subject, _, body = dry.message.strip().partition("\n\n")
    references, rest = references_in(body)
    return Metadata(repo_url, sha, (), dry.author, dry.date, subject, rest, tuple(references))


def note_of(sha: str) -> bytes:
    """What is noted at the commit that holds what `sha` renders to."""
    return msgspec.json.encode({"drySha": sha})


def manifest_of(objects: Sequence[Obj]) -> bytes:
    """The objects in the order the source gives them."""
    return "---\n".join(yaml.dump(one) for one in objects).encode()


def message_of(metadata: Metadata) -> str:
    """The message of the commit where no template says another."""
    people = [one["commit"]["author"] for one in metadata.references if one["commit"].get("author")]
    people += [metadata.author] if metadata.author else []
    parts = [
        f"{metadata.dry_sha[:_SHORT]}: {metadata.subject}",
        metadata.body,
        "\n".join(f"Co-authored-by: {one}" for one in people),
    ]
    return tidied("\n\n".join(part for part in parts if part))


def tidied(message: str) -> str:
    """A message as `git commit` keeps it: no empty lines at its ends, none twice."""
    lines = "\n".join(line.rstrip() for line in message.splitlines())
    return re.sub(r"\n{3,}", "\n\n", lines).strip("\n") + "\n"


def readme_of(metadata: Metadata) -> bytes:
    """README.md of a folder, where no template says another. `metadata`: the commit's, with the commands of the folder."""
    lines = [
        "# Rendered manifests",
        "",
        f"`{MANIFEST}` was rendered, so a change of it by hand is lost: change what it is rendered from. The same by hand:",
        "",
        "```shell",
        f"git clone {metadata.repo_url}",
        f"git checkout {metadata.dry_sha} # in the clone, as all that follows",
        *metadata.commands,
        "```",
        *_referred(metadata.references),
    ]
    return ("\n".join(lines) + "\n").encode()


def readme_values(metadata: Metadata) -> dict[str, Any]:
    """What a template of README.md sees: the fields as Argo CD's own template names them."""
    named = {"repoURL": "RepoURL", "sha": "SHA"}
    references = [
        {"Commit": {named.get(key, key.capitalize()): value for key, value in one["commit"].items()}}
        for one in metadata.references
    ]
    return {
        "RepoURL": metadata.repo_url,
        "DrySHA": metadata.dry_sha,
        "Commands": list(metadata.commands),
        "References": references,
    }


def _referred(references: Sequence[Obj]) -> list[str]:
    told = [_reference(one["commit"]) for one in references if one["commit"].get("sha")]
    return ["", "## References", "", *told] if told else []


def _reference(commit: Obj) -> str:
    who = f" ({commit['author']})" if commit.get("author") else ""
    short = commit["sha"][:_SHORT]
    name = f"[{short}]({commit['repoURL']})" if commit.get("repoURL") else short
    return f"* {name}: {commit.get('subject', '')}{who}"
