"""Who signed a commit or an annotated tag of a mirror.

OpenPGP signatures are verified by `gpgv`, a program without a home, an agent or a network, against the keys that are given and
no others. SSH signatures (PROTOCOL.sshsig of OpenSSH) are verified here.
"""

import asyncio
import base64
import binascii
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pygit2

from shipway.adapters.git.program import end_family
from shipway.adapters.git.ssh_signatures import ARMOR, ssh_signature
from shipway.api.commits import Signature
from shipway.base.errors import Unavailable

SECONDS = 10.0
"""Until `gpgv` must have answered."""
_PGP = b"-----BEGIN PGP SIGNATURE-----"
_STARTS = re.compile(rb"^(?:%b|%b)" % (_PGP, ARMOR), re.MULTILINE)
_BLOCK = re.compile(
    r"-----BEGIN PGP PUBLIC KEY BLOCK-----\s*?\n(?:[^\n]+: [^\n]*\n)*\s*\n(.*?)\n(?:=\S{4}\s*\n)?-----END PGP", re.DOTALL
)
_CIPHERS = {"1": "RSA", "17": "DSA", "19": "ECDSA", "22": "EDDSA"}
_INVALID = {
    "BADSIG": "bad signature: what was signed has been changed",
    "EXPSIG": "the signature has expired",
    "EXPKEYSIG": "the key has expired",
    "REVKEYSIG": "the key has been revoked",
}


async def signature_of(repository: pygit2.Repository, oid: str, keyring: Mapping[str, str]) -> Signature:
    """Of the commit or tag `oid`. `keyring`: armored public keys by name. Raises `Unavailable` when it cannot be read."""
    try:
        found = repository[oid]
    except (KeyError, ValueError, pygit2.GitError):
        raise Unavailable(f"commit {oid[:12]} is not in the mirror", reason="NotMirrored") from None
    signature, payload = _parts(found)
    if not signature:
        return Signature("none")
    if signature.startswith(ARMOR):
        return ssh_signature(signature, payload)
    if signature.startswith(_PGP):
        return await _verified(signature, payload, keyring)
    return Signature("unknown", message="it is signed with something else than OpenPGP or SSH")


def _parts(found: pygit2.Object) -> tuple[bytes, bytes]:
    """The signature, and what was signed. A tag carries it at its end."""
    if isinstance(found, pygit2.Commit):
        signature, payload = found.gpg_signature
        return (signature or b"").strip() + b"\n" if signature else b"", payload or b""
    raw = found.read_raw()
    starts = [one.start() for one in _STARTS.finditer(raw)]
    return (raw[starts[-1] :], raw[: starts[-1]]) if starts else (b"", raw)


async def _verified(signature: bytes, payload: bytes, keyring: Mapping[str, str]) -> Signature:
    keys, unreadable = _binary(keyring)
    if not keys:
        return Signature("unknown", message=f"no public key is known to verify it with{unreadable}")
    with tempfile.TemporaryDirectory(prefix="shipway-gpgv-") as folder:
        ring, told = Path(folder, "keys.gpg"), Path(folder, "signature")
        ring.write_bytes(keys)
        told.write_bytes(signature)
        return read_status(await _gpgv(ring, told, payload), unreadable)


async def _gpgv(ring: Path, signature: Path, payload: bytes) -> str:
    """Its status lines. It fails for a bad signature, and says so in them."""
    try:
        process = await asyncio.create_subprocess_exec(
            *("gpgv", "--homedir", str(ring.parent), "--keyring", str(ring), "--status-fd", "1", str(signature), "-"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"},
            start_new_session=True,
        )
    except FileNotFoundError:
        raise Unavailable(
            "gpgv is not installed: install it (Debian: gpgv) to verify signatures", reason="ToolMissing"
        ) from None
    try:
        async with asyncio.timeout(SECONDS):
            output, _ = await process.communicate(payload)
    except TimeoutError:
        raise Unavailable(f"gpgv gave no answer within {SECONDS:g} s", reason="ToolTimeout") from None
    finally:
        await end_family(process)
    return output.decode("utf-8", "replace")


def read_status(output: str, unreadable: str = "") -> Signature:
    """What the status lines of `gpgv` say (doc/DETAILS of GnuPG). More than one signature is none, as for git."""
    lines = [line.split() for line in output.splitlines() if line.startswith("[GNUPG:] ")]
    said = {words[1]: words[2:] for words in lines if len(words) > 1}
    verdicts = [words[1] for words in lines if words[1] in {"GOODSIG", "ERRSIG", *_INVALID}]
    if len(verdicts) != 1:
        return Signature("invalid" if verdicts else "unknown", message="it carries more or less than one signature")
    (verdict,) = verdicts
    if verdict == "ERRSIG":
        key, cipher = said["ERRSIG"][0], _CIPHERS.get(said["ERRSIG"][1], "")
        return Signature("unknown", cipher, (key,), f"the key {key} is not in ConfigMap argocd-gpg-keys-cm{unreadable}")
    valid = said.get("VALIDSIG", [])
    cipher, keys = _CIPHERS.get(valid[6], "") if valid else "", tuple(dict.fromkeys((valid[0], valid[-1]))) if valid else ()
    if verdict == "GOODSIG" and keys:
        return Signature("good", cipher, keys)
    return Signature("invalid", cipher, keys or tuple(said[verdict][:1]), _INVALID.get(verdict, "it is not valid"))


def _binary(keyring: Mapping[str, str]) -> tuple[bytes, str]:
    """The keys without their armor, and what is to be said of those that are none."""
    found, wrong = [], []
    for name, text in sorted(keyring.items()):
        blocks = _BLOCK.findall(text.replace("\r\n", "\n") + "\n")
        try:
            found += [base64.b64decode("".join(block.split()), validate=True) for block in blocks]
        except binascii.Error:
            blocks = []
        if not blocks:
            wrong.append(name)
    return b"".join(found), f" (its entries {', '.join(wrong)} hold no armored public key)" if wrong else ""
