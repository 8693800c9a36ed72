"""What is sealed is opened by its key alone, and a key that does not fit is never printed."""

import pyrage
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from shipway.adapters.age.sealing import seal, unseal
from shipway.base.errors import InvalidInput


def key() -> tuple[str, str]:
    """An identity file as `age-keygen` writes it, and its recipient."""
    made = pyrage.x25519.Identity.generate()
    return f"# created: now\n# public key: {made.to_public()}\n{made}\n", str(made.to_public())


def test_there_and_back() -> None:
    identity, recipient = key()
    sealed = seal("pass: wörd".encode(), [recipient])
    assert sealed.startswith("-----BEGIN AGE ENCRYPTED FILE-----\n")
    assert unseal(sealed, identity) == "pass: wörd".encode()


def test_an_ssh_key_does_as_well() -> None:
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    identity = private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    assert unseal(seal(b"x", [key()[1], public]), identity) == b"x"


@pytest.mark.parametrize("recipient", ["age1nobody", "ssh-ed25519 AAAA", "", "me"])
def test_who_is_no_recipient_is_named(recipient: str) -> None:
    with pytest.raises(InvalidInput, match="is no age recipient"):
        seal(b"x", [recipient])


def test_another_key_opens_nothing_and_is_not_told() -> None:
    sealed, (other, _) = seal(b"x", [key()[1]]), key()
    for text, reason in ((other, "NotReadable"), ("AGE-SECRET-KEY-1BROKEN", "BadKey"), ("# nothing\n", "BadKey")):
        with pytest.raises(InvalidInput) as refused:
            unseal(sealed, text)
        assert refused.value.reason == reason
        assert "AGE-SECRET" not in refused.value.message


def test_what_was_damaged_is_not_opened() -> None:
    identity, recipient = key()
    sealed = seal(b"x" * 200, [recipient])
    with pytest.raises(InvalidInput, match="cannot be opened"):
        unseal(sealed[: len(sealed) // 2], identity)
