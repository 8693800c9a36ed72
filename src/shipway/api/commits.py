"""What is known of the commits of a repository: who signed one, who wrote it, and who changed what between two."""

from collections.abc import Callable
from typing import Literal

from msgspec import Struct


class SignatureRequest(Struct, frozen=True):
    """Of which commit; of the annotated tag that led to it where there is one (`Head.tag`)."""

    repo_url: str
    commit: str
    tag: str = ""


class Signature(Struct, frozen=True):
    """What a commit or a tag is signed with.

    `keys`: the spellings of the key that signed: fingerprints of an OpenPGP key and its primary key, or an SSH public key
    (`ssh-ed25519 AAAA…`). `message`: what is wrong with it. `unknown`: it could not be verified.
    """

    result: Literal["none", "good", "invalid", "unknown"]
    cipher: str = ""
    keys: tuple[str, ...] = ()
    message: str = ""

    @property
    def key(self) -> str:
        """The key as people read it: the last 16 digits of an OpenPGP key, the SSH key's fingerprint."""
        return self.keys[0] if self.keys else ""


class HistoryRequest(Struct, frozen=True):
    """The same of a commit and all that led to it. `gpg` and `ssh`: the keys that count (see `is_made_by`)."""

    repo_url: str
    commit: str
    tag: str = ""
    gpg: tuple[str, ...] = ()
    ssh: tuple[str, ...] = ()


class Doubt(Struct, frozen=True):
    """A commit (or the tag that led to one) that no key that counts has signed, and who wrote it (`name <address>`)."""

    revision: str
    author: str
    signature: Signature


def is_made_by(signature: Signature, gpg: tuple[str, ...], ssh: tuple[str, ...]) -> bool:
    """Whether one of the keys made it: OpenPGP keys by the end of their fingerprint, SSH keys as `type base64`."""
    return any(key in ssh or key.upper().endswith(gpg) for key in signature.keys)


class ChangesRequest(Struct, frozen=True):
    """What was committed from `since` to `until`, of `paths` ("" = all) and the files that say who owns what.

    `revision` is what the source tracks: a later commit there may approve an earlier one.
    """

    repo_url: str
    revision: str
    since: str
    until: str
    paths: tuple[str, ...]


class Committed(Struct, frozen=True):
    """One commit: `people` (addresses in lower case) wrote, committed, merged or approved it, and `paths` it changes.

    `codeowners` is the text of CODEOWNERS as it was before ("" where there was none), `file` its path.
    """

    commit: str
    people: tuple[str, ...]
    paths: tuple[str, ...]
    codeowners: str = ""
    file: str = ""


class CommitFacts(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Who wrote a commit (`name <address>`), what its first line says, the pull request that brought it ("" = none is
    named), and who approved it by a trailer."""

    revision: str
    author: str
    subject: str
    pull_request: str = ""
    approvers: tuple[str, ...] = ()


CommitOf = Callable[[str, str], CommitFacts]
"""(repository, commit) -> what it says of itself. Raises Unavailable where it is not known."""
