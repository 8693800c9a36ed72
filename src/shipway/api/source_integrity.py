"""`spec.sourceIntegrity` of an AppProject (Argo CD 3.5): whose signature counts, by repository.

    git:
      policies:
      - repos: ["https://git.example/docs/*"]     # globs; the first policy with one that fits counts
        gpg: {mode: none}
      - repos: ["*"]
        gpg: {mode: head, keys: [4AEE18F83AFDEB23]}

It speaks of Git alone: charts and artifacts are not asked. What is not known is refused by name: nothing may pass for verified
that was not.
"""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec
from msgspec import Struct

from shipway.api.application import ProjectSpec, located
from shipway.base.errors import InvalidInput
from shipway.base.globs import compile_glob, glob_problem


class GpgPolicy(Struct, frozen=True, forbid_unknown_fields=True):
    """`none` asks for no signature, `head` for one of the revision that is synced, `strict` for one of every commit that led
    there, since the beginning or since those that seal what was before."""

    mode: Literal["none", "head", "strict"]
    keys: tuple[str, ...] = ()


class GitPolicy(Struct, frozen=True, forbid_unknown_fields=True):
    """What counts for the repositories that a glob in `repos` fits."""

    repos: tuple[str, ...]
    gpg: GpgPolicy

    def speaks_of(self, repo_url: str) -> bool:
        url = _plain(repo_url)
        return any(compile_glob(_plain(pattern))(url) for pattern in self.repos)


class _Git(Struct, frozen=True, forbid_unknown_fields=True):
    policies: tuple[GitPolicy, ...] = ()


class _SourceIntegrity(Struct, frozen=True, forbid_unknown_fields=True):
    git: _Git = _Git()


def policies_of(spec: ProjectSpec) -> tuple[GitPolicy, ...]:
    """In the order in which they count. Raises InvalidInput naming the path of the first wrong field."""
    written: Any = spec.source_integrity or {}
    try:
        return msgspec.convert(written, _SourceIntegrity).git.policies
    except msgspec.ValidationError as error:
        raise InvalidInput(located(str(error), "spec.sourceIntegrity")) from None


def integrity_problems(spec: ProjectSpec) -> Iterator[str]:
    """What is wrong with the policies, or cannot be had here, each with its path below `spec`."""
    try:
        policies = policies_of(spec)
    except InvalidInput as error:
        yield error.message.removeprefix("spec.")
        return
    for index, policy in enumerate(policies):
        where = f"sourceIntegrity.git.policies[{index}]"
        if policy.gpg.mode != "none" and not policy.gpg.keys:
            yield f"{where}.gpg.keys: without a key nothing could be synced: name one, or say mode none"
        for pattern in policy.repos:
            if told := _bad_pattern(pattern):
                yield f"{where}.repos: {told}"


def _bad_pattern(pattern: str) -> str:
    if pattern.startswith("!"):
        return f"{pattern!r}: nothing is excluded here: put a policy with mode none before"
    return glob_problem(pattern)


def _plain(url: str) -> str:
    """Spellings of one repository are one."""
    return url.removesuffix(".git").lower()
