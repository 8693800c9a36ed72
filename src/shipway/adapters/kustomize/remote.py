"""Bases in other repositories, as a kustomization spells them: which repository, which folder in it, which revision.

    https://git.example/team/app.git//deploy/base?ref=v1      the folder stands after a double slash
    https://git.example/team/app.git/deploy/base?ref=v1       or after .git
    github.com/org/app/deploy/base?ref=v1                     or after owner and name
    git@git.example:team/app.git//deploy/base                 by SSH

They are read from our own mirrors, with our logins; Kustomize itself never goes out.
"""

import re
from urllib.parse import parse_qs

from msgspec import Struct

from shipway.api.sources import RemoteBase
from shipway.base.errors import InvalidInput

_SIGNS = ("://", "git@", "?ref=", "git::", "github.com/", "gitlab.com/", "bitbucket.org/")
_HOST = re.compile(r"(?:(?P<scheme>https?|ssh)://)?(?P<user>[^@/]+@)?(?P<host>[^/:]+(?::\d+)?)(?P<sep>[/:])(?P<rest>.+)")
_FILES = (".yaml", ".yml", ".json")


class Base(Struct, frozen=True):
    """`repository` at a revision, and the folder in it ("" = its root)."""

    repository: RemoteBase
    path: str


def looks_remote(entry: str) -> bool:
    return any(sign in entry for sign in _SIGNS)


def parse_base(entry: str, file: str) -> Base:
    """Raises `InvalidInput` (RemoteBase) naming the kustomization and the entry."""
    text, _, query = entry.removeprefix("git::").partition("?")
    match = _HOST.fullmatch(text)
    if match is None or text.startswith("file:"):
        raise _refusal(entry, file, "is not a repository over https or ssh")
    place, path = _split(match["rest"], has_host_only=match["sep"] == ":" and match["scheme"] is None)
    if path.endswith(_FILES):
        raise _refusal(entry, file, "is one file elsewhere, which is not supported: name the folder of a repository")
    parameters = parse_qs(query)
    revision = next((parameters[name][0] for name in ("ref", "version") if name in parameters), "") or "HEAD"
    if match["sep"] == ":" and match["scheme"] is None:
        url = f"{match['user'] or 'git@'}{match['host']}:{place}"
    else:
        url = f"{match['scheme'] or 'https'}://{match['user'] or ''}{match['host']}/{place}"
    return Base(RemoteBase(url, revision), path.strip("/"))


def _split(rest: str, *, has_host_only: bool) -> tuple[str, str]:
    """The repository's path on its host, and the folder in it."""
    place, slashes, path = rest.partition("//")
    if slashes:
        return place, path
    place, dot_git, path = rest.partition(".git")
    if dot_git and (not path or path.startswith("/")):
        return f"{place}.git", path
    if has_host_only and rest.count("/") <= 1:
        return rest, ""
    parts = rest.split("/")
    return "/".join(parts[:2]), "/".join(parts[2:])


def _refusal(entry: str, file: str, why: str) -> InvalidInput:
    return InvalidInput(f"{file}: {entry!r} {why}", reason="RemoteBase")
