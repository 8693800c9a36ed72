"""Whether a commit and all that led to it are signed by keys that count (`sourceIntegrity` in the mode `strict`).

A signed commit with the trailer `Argocd-gpg-seal: <why>` vouches for everything before it, and the look ends there. What has
been proven by the same keys is remembered, so the next commit is verified alone; a new process looks through all of it once.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Mapping

import pygit2

from shipway.adapters.git.revisions import person
from shipway.adapters.git.signatures import signature_of
from shipway.api.commits import Doubt, HistoryRequest, is_made_by
from shipway.base.errors import Unavailable
from shipway.base.ids import digest

AT_ONCE = 8
"""Programs that verify at a time."""
MOST_DOUBTS = 10
"""A look ends with so many."""
MOST_REMEMBERED = 64
_SEAL = re.compile(r"^argocd-gpg-seal:\s*\S", re.IGNORECASE | re.MULTILINE)


class Histories:
    """What is proven of the histories of all mirrors. It may be dropped at any moment."""

    def __init__(self) -> None:
        self._proven: OrderedDict[str, set[str]] = OrderedDict()
        self.verified = 0
        """Commits whose signature was looked at."""

    async def doubts(
        self, repository: pygit2.Repository, request: HistoryRequest, keyring: Mapping[str, str]
    ) -> tuple[Doubt, ...]:
        """The newest commits that no key that counts has signed; nothing when all are. Raises `Unavailable`."""
        proven = self._known(request, keyring)
        doubts = [await _looked_at(repository, request.tag, request, keyring)] if request.tag else []
        doubts = [one for one in doubts if one is not None]
        seen, line = {request.commit}, [request.commit]
        while line and len(doubts) < MOST_DOUBTS:
            now, line = [oid for oid in line[:AT_ONCE] if oid not in proven], line[AT_ONCE:]
            self.verified += len(now)
            found = await asyncio.gather(*(_looked_at(repository, oid, request, keyring) for oid in now))
            doubts += [one for one in found if one is not None]
            for oid, doubt in zip(now, found, strict=True):
                commit = repository[oid].peel(pygit2.Commit)
                if doubt is None and _SEAL.search(commit.message):
                    continue
                parents = [str(parent) for parent in commit.parent_ids if str(parent) not in seen]
                seen.update(parents)
                line += parents
        if not doubts:
            proven |= seen
        return tuple(doubts[:MOST_DOUBTS])

    def _known(self, request: HistoryRequest, keyring: Mapping[str, str]) -> set[str]:
        parts = (
            request.repo_url,
            *request.gpg,
            "",
            *request.ssh,
            "",
            *(part for pair in sorted(keyring.items()) for part in pair),
        )
        key = digest(*parts, length=64)
        self._proven.setdefault(key, set())
        self._proven.move_to_end(key)
        while len(self._proven) > MOST_REMEMBERED:
            self._proven.popitem(last=False)
        return self._proven[key]


async def _looked_at(
    repository: pygit2.Repository, oid: str, request: HistoryRequest, keyring: Mapping[str, str]
) -> Doubt | None:
    signature = await signature_of(repository, oid, keyring)
    if signature.result == "good" and is_made_by(signature, request.gpg, request.ssh):
        return None
    return Doubt(oid, _author(repository, oid), signature)


def _author(repository: pygit2.Repository, oid: str) -> str:
    found = repository[oid]
    if not isinstance(found, pygit2.Commit | pygit2.Tag):
        raise Unavailable(f"{oid[:12]} is no commit", reason="NotMirrored")
    who = found.author if isinstance(found, pygit2.Commit) else found.tagger
    return person(who) if who is not None else "nobody"
