"""Texts that only an installation reads: sealed with a key that is derived from its own, and bound to what they are about."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shipway.base.errors import InvalidInput

_NONCE_BYTES = 12


class Sealing:
    """AES-GCM with a key of its own for each `purpose`: who opened a text knows that a holder of the key sealed it."""

    def __init__(self, key: bytes, purpose: str) -> None:
        self._cipher = AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=f"shipway {purpose}".encode()).derive(key))

    def seal(self, text: bytes, about: str) -> bytes:
        """What opens only with the same key, for the same thing."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, text, about.encode())

    def open(self, sealed: bytes, about: str) -> bytes:
        """Raises InvalidInput (NotReadable): another key's, about something else, or damaged."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], about.encode())
        except (InvalidTag, ValueError):
            raise InvalidInput("it was sealed with another key, or damaged", reason="NotReadable") from None
