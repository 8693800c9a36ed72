"""Submodules: what `.gitmodules` says, and which URL it means.

A submodule is another repository at a commit. Its URL may be relative to the repository that holds it, as git reads it.
What a stranger's commit may name is bounded: a remote of the usual protocols, and one on this machine only where the
repository that names it is one too.
"""

import re

from shipway.adapters.git.urls import parse_remote, redact
from shipway.base.errors import InvalidInput

GITMODULES = ".gitmodules"
MAX_DEPTH = 5
"""Submodules inside of submodules."""

_SECTION = re.compile(r'\s*\[\s*submodule\s+"((?:[^"\\]|\\.)*)"\s*\]\s*(?:[#;].*)?')
_SETTING = re.compile(r"\s*(path|url)\s*=\s*(.*?)\s*", re.IGNORECASE)


def module_url(gitmodules: bytes, path: str, parent: str) -> str:
    """Where the submodule at `path` comes from. Raises InvalidInput (InvalidSubmodule) when that cannot be or may not be."""
    urls = _urls_by_path(gitmodules.decode("utf-8", "replace"))
    if path not in urls:
        raise InvalidInput(f"{path} is a submodule without a URL: add it to {GITMODULES}", reason="InvalidSubmodule")
    url = _absolute(urls[path], parent, path)
    try:
        remote = parse_remote(url)
    except InvalidInput:
        raise InvalidInput(
            f"submodule {path}: {redact(url)!r} is not allowed: use http, https or ssh", reason="InvalidSubmodule"
        ) from None
    if remote.key.startswith("file:") and not parse_remote(parent).key.startswith("file:"):
        raise InvalidInput(f"submodule {path} lies on this machine, which is not allowed", reason="InvalidSubmodule")
    return url


def _urls_by_path(text: str) -> dict[str, str]:
    """Git's configuration format, as far as submodules need it."""
    found: dict[str, dict[str, str]] = {}
    here: dict[str, str] = {}
    for line in text.splitlines():
        if section := _SECTION.fullmatch(line):
            here = found.setdefault(section[1], {})
        elif line.lstrip().startswith("["):
            here = {}
        elif setting := _SETTING.fullmatch(line):
            here[setting[1].lower()] = setting[2].strip('"')
    return {one["path"].strip("/"): one["url"] for one in found.values() if one.get("path") and one.get("url")}


def _absolute(url: str, parent: str, path: str) -> str:
    """A relative URL (`../lib.git`) from the place of its parent, by git's rules."""
    if not url.startswith(("./", "../")):
        return url
    base, rest = parent.rstrip("/"), url
    while rest.startswith(("./", "../")):
        if rest.startswith("../"):
            base, separator = _without_last(base)
            if not separator:
                raise InvalidInput(f"submodule {path}: {url!r} leaves the host of its repository", reason="InvalidSubmodule")
        rest = rest.partition("/")[2]
    return f"{base}{'' if base.endswith(':') else '/'}{rest}"


def _without_last(base: str) -> tuple[str, bool]:
    """Without the last part of the path; whether there was one."""
    head, separator, last = base.rpartition("/")
    if separator and last and not head.endswith("/"):
        return head, True
    head, separator, last = base.rpartition(":")
    return (f"{head}:", True) if separator and last and "/" not in last and "://" not in base else (base, False)
