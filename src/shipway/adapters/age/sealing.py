"""Text sealed to age keys (age-encryption.org/v1), so that any `age` opens it again, with or without Shipway.

A recipient is `age1…` or an SSH public key (ssh-ed25519, ssh-rsa); an identity file holds `AGE-SECRET-KEY-1…` lines, comments
and empty lines, or one SSH private key without a passphrase.
"""

from collections.abc import Sequence

import pyrage

from shipway.base.errors import InvalidInput

_PRIVATE = "PRIVATE KEY-----"


def seal(text: bytes, recipients: Sequence[str]) -> str:
    """Armored. Raises InvalidInput naming a recipient that is none."""
    return pyrage.encrypt(text, [_recipient(one) for one in recipients], armored=True).decode()


def unseal(sealed: str, identity_file: str) -> bytes:
    """Raises InvalidInput (BadKey) where the file holds no key, or none that fits; (NotReadable) for what was damaged."""
    try:
        return pyrage.decrypt(sealed.encode(), _identities(identity_file))
    except pyrage.DecryptError as error:
        raise InvalidInput(f"what is sealed cannot be opened: {error}", reason="NotReadable") from None


def _recipient(text: str) -> "pyrage.x25519.Recipient | pyrage.ssh.Recipient":
    try:
        return pyrage.ssh.Recipient.from_str(text) if text.startswith("ssh-") else pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError as error:
        raise InvalidInput(f"{text[:40]!r} is no age recipient ({error}): give age1… or an SSH public key") from None


def _identities(text: str) -> "list[pyrage.x25519.Identity | pyrage.ssh.Identity]":
    """What is wrong is said by its line: a key must not be printed."""
    try:
        if _PRIVATE in text:
            return [pyrage.ssh.Identity.from_buffer(text.encode())]
        lines = [line.strip() for line in text.splitlines()]
        found = [pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except pyrage.IdentityError:
        raise InvalidInput("the identity file holds something that is no age or SSH key", reason="BadKey") from None
    if not found:
        raise InvalidInput("the identity file holds no key", reason="BadKey")
    return list(found)
