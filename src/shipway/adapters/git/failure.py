"""Why git could not reach a repository, in a word for programs and a sentence for people.

Git and SSH say it in prose on stderr. What is recognised gets a reason of its own and what to do about it; the words
themselves always stay in the message.
"""

import re

from msgspec import Struct

from shipway.base.errors import Unavailable


class Cause(Struct, frozen=True):
    """`says`: how it is recognised. `pause`: seconds to leave the remote alone, where trying again soon is no use."""

    reason: str
    says: re.Pattern[str]
    advice: str
    pause: float = 0.0


def _cause(reason: str, says: str, advice: str, pause: float = 0.0) -> Cause:
    return Cause(reason, re.compile(says, re.IGNORECASE), advice, pause)


CAUSES = (
    _cause(
        "HostKeyChanged",
        "host identification has changed|host key .* (has changed|differs)",
        "its host key is not the one in ConfigMap argocd-ssh-known-hosts-cm: correct it there if the host's owner confirms it",
    ),
    _cause(
        "HostKeyUnknown",
        "host key verification failed|no .*host key is known",
        "add the host's key to ssh_known_hosts of ConfigMap argocd-ssh-known-hosts-cm",
    ),
    _cause(
        "UntrustedCertificate",
        "certificate (problem|verif|is not trusted)|unable to get local issuer|self.signed certificate",
        "add its CA to ConfigMap argocd-tls-certs-cm under the host's name",
    ),
    _cause(
        "Redirected",
        "unable to update url base from redirection|requested url returned error: 30[12378]",
        "use the URL that it leads to; a login is never passed on to another place",
    ),
    _cause(
        "LoginRefused",
        "authentication failed|permission denied|could not read (username|password)|terminal prompts disabled"
        "|requested url returned error: 40[13]|access denied",
        "check the login in the repository's Secret, and that it may read this repository",
    ),
    _cause(
        "RepositoryNotFound",
        "repository .*not found|does not appear to be a git repository|requested url returned error: 404|does not exist",
        "check its URL; a private repository looks so to somebody without a login too",
    ),
    _cause(
        "RepositoryTooLarge",
        r"signal 25|out of memory|file too large|file size limit exceeded|wrote more than",
        "it sends more than may be kept of one repository: make it smaller",
        pause=900.0,
    ),
)


def unreachable(where: str, error: Unavailable, after: float) -> Unavailable:
    """The error to report of the repository `where`, to be tried again after some seconds."""
    said = error.message.rstrip(". ")
    for cause in CAUSES:
        if cause.says.search(said):
            message = f"repository {where} is unreachable: {said}: {cause.advice}"
            return Unavailable(message, after=max(after, cause.pause), reason=cause.reason)
    message = f"repository {where} is unreachable: {said}: check its URL, the network and the login"
    return Unavailable(message, after=after, reason=error.reason)
