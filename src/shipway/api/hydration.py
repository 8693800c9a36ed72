"""Rendered manifests on their way into a branch (`spec.sourceHydrator`): the values that the engine and what pushes exchange.

All Applications that render one revision into one branch of one repository are one request and one commit. Everything that the
commit depends on is named by content, so the same request makes the same commit once, however often it is asked.
"""

from msgspec import Struct

from shipway.api.sources import RenderRequest

MANIFEST = "manifest.yaml"
"""The file of a folder that holds what its render gives."""


class CommitSettings(Struct, frozen=True):
    """Who commits, and the Go templates of the message and of README.md; "" for those that come with us."""

    author_name: str = "Argo CD"
    author_email: str = "argo-cd@example.com"
    message: str = ""
    readme: str = ""


class FolderRequest(Struct, frozen=True):
    """One Application's part: what its render gives goes to the folder `path`. `commands` render the same by hand."""

    path: str
    render: RenderRequest
    commands: tuple[str, ...]


class HydrationRequest(Struct, frozen=True):
    """The commit `dry_sha` of `dry_repo_url`, rendered into `branch` of `repo_url`.

    A branch that is missing begins where `base` stands, the branch that is synced from; that one begins empty. `project`: the
    AppProject of all of the Applications, whose login may be used; "" where they are of several.
    """

    dry_repo_url: str
    dry_sha: str
    repo_url: str
    branch: str
    base: str
    project: str
    folders: tuple[FolderRequest, ...]
    settings: CommitSettings = CommitSettings()


class Hydrated(Struct, frozen=True):
    """The commit at which the branch holds what was asked for."""

    sha: str


class DryCommit(Struct, frozen=True):
    """What the commit says that was rendered. `date`: when it was written, RFC 3339."""

    author: str
    date: str
    message: str


class Folder(Struct, frozen=True):
    """What a folder is to hold. It is written only when `manifest` is another one than what is there: then it holds exactly
    manifest.yaml and `others` (name, content)."""

    path: str
    manifest: bytes
    others: tuple[tuple[str, bytes], ...]


class BranchCommit(Struct, frozen=True):
    """A commit to make. `root`: files beside the folders, written along with a folder that changes. `note`: what is noted at
    the commit that holds it all."""

    repo_url: str
    branch: str
    base: str
    project: str
    author: tuple[str, str]
    message: str
    root: tuple[tuple[str, bytes], ...]
    folders: tuple[Folder, ...]
    note: bytes
