"""What a commit says of itself: who wrote it, in one line what for, the pull request that brought it, and who approved it.

No forge is asked: forges write the number of the pull request into the message, and approvals stand there as trailers.
"""

import re

import pygit2

from shipway.adapters.git.revisions import person, text_of
from shipway.api.commits import CommitFacts
from shipway.base.errors import Unavailable

LONGEST = 200
"""Letters of a first line."""
MOST_APPROVERS = 20
_REQUEST = (
    re.compile(r"\AMerge pull request (#\d+)\b"),  # GitHub, Gitea
    re.compile(r"\AMerged PR (\d+):"),  # Azure DevOps
    re.compile(r"\A.*\((?:pull request )?(#\d+)\)\s*$", re.MULTILINE),  # GitHub's squash, Bitbucket
    re.compile(r"\APull request (#\d+):"),  # Bitbucket's own server
    re.compile(r"^See merge request (\S*!\d+)\s*$", re.MULTILINE),  # GitLab
)
_MERGES = re.compile(r"\AMerge (?:pull request|branch|remote-tracking branch)\b")
_APPROVED = re.compile(r"^(?:reviewed|approved|acked)-by:[ \t]*(\S[^\n]*?)\s*$", re.IGNORECASE | re.MULTILINE)


def facts_of(repository: pygit2.Repository, commit: str) -> CommitFacts:
    """Raises `Unavailable` (NotMirrored) where it is not here.

    A merge that a forge made tells of what it merges: its title, and the author of the last commit that it brings."""
    try:
        found = repository[commit].peel(pygit2.Commit)
    except (KeyError, ValueError, pygit2.GitError):
        raise Unavailable(f"commit {commit[:12]} is not in the mirror", reason="NotMirrored") from None
    message = text_of(found.raw_message).strip()
    number = next((match[1] for pattern in _REQUEST if (match := pattern.search(message))), "")
    author = person(found.author)
    if number and len(found.parent_ids) > 1:
        brought = repository.get(found.parent_ids[-1])  # a shallow mirror has none
        author = person(brought.author) if isinstance(brought, pygit2.Commit) else author
    approvers = tuple(dict.fromkeys(_APPROVED.findall(message)))[:MOST_APPROVERS]
    request = f"#{number}" if number.isdecimal() else number
    return CommitFacts(str(found.id), author, _subject(message), request, approvers)


def _subject(message: str) -> str:
    """The first line, or the title behind the line that a forge puts first."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    title = lines[1] if len(lines) > 1 and _MERGES.match(lines[0]) else "".join(lines[:1])
    return title[:LONGEST]
