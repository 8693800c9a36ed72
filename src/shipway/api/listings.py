"""What a repository holds at certain paths: the values that the ApplicationSet engine and the mirrors exchange."""

from typing import Literal

from msgspec import Struct

from shipway.api.applicationset import PathPattern
from shipway.api.signatures import SignaturePolicy


class ListingRequest(Struct, frozen=True):
    """Which folders, or which files with what in them, does `revision` of `repo_url` have that the patterns pick?

    Each of `signed_by` has to allow the key that signed it. `stars_stop`: `*` in the path of a file goes over no slash.
    `project`: for which AppProject, since a login may be for one alone. `with_hidden`: folders with a dot count."""

    repo_url: str
    revision: str
    what: Literal["folders", "files"]
    patterns: tuple[PathPattern, ...]
    signed_by: tuple[SignaturePolicy, ...] = ()
    stars_stop: bool = False
    project: str = ""
    with_hidden: bool = False


class Listed(Struct, frozen=True, order=True):
    """A folder, or a file: `documents` is the JSON list of its objects, `error` says why it has none."""

    path: str
    documents: bytes = b""
    error: str = ""


class Listing(Struct, frozen=True):
    """What was found at a commit, sorted by path. A commit that changes none of it is not news."""

    commit: str
    found: tuple[Listed, ...]

    @property
    def identity(self) -> tuple[Listed, ...]:
        return self.found
