"""SSH signatures of commits and tags, as `ssh-keygen -Y sign -n git` makes them (OpenSSH, PROTOCOL.sshsig)."""

import base64
import binascii
import hashlib
import struct

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from shipway.api.commits import Signature

ARMOR = b"-----BEGIN SSH SIGNATURE-----"
_END = b"-----END SSH SIGNATURE-----"
_MAGIC, _VERSION, _NAMESPACE = b"SSHSIG", 1, b"git"
_DIGESTS = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}
_RSA = {b"rsa-sha2-256": hashes.SHA256, b"rsa-sha2-512": hashes.SHA512}
_CURVES = {b"ecdsa-sha2-nistp256": hashes.SHA256, b"ecdsa-sha2-nistp384": hashes.SHA384, b"ecdsa-sha2-nistp521": hashes.SHA512}


class _Malformed(Exception):
    """The bytes are no such signature, or one of a kind that is not verified here."""


def ssh_signature(armored: bytes, payload: bytes) -> Signature:
    """What the signature is worth for `payload`, and whose it is."""
    try:
        key, digest_name, blob, reserved = _unwrapped(armored)
        kind = _key_kind(key)
        signed = _MAGIC + b"".join(map(_string, (_NAMESPACE, reserved, digest_name, _DIGESTS[digest_name](payload).digest())))
        is_good = _is_good(key, kind, blob, signed)
    except _Malformed as error:
        return Signature("unknown", message=str(error))
    spelled = f"{kind.decode()} {base64.b64encode(key).decode()}"
    fingerprint = f"SHA256:{base64.b64encode(hashlib.sha256(key).digest()).rstrip(b'=').decode()}"
    cipher = kind.decode().removeprefix("ssh-").partition("-")[0].upper()
    if not is_good:
        return Signature("invalid", cipher, (fingerprint, spelled), "bad signature: what was signed has been changed")
    return Signature("good", cipher, (fingerprint, spelled))


def _unwrapped(armored: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """(public key, name of the digest, signature, reserved)."""
    try:
        raw = base64.b64decode(b"".join(armored.strip().removeprefix(ARMOR).removesuffix(_END).split()), validate=True)
    except binascii.Error:
        raise _Malformed("the SSH signature is damaged") from None
    if not raw.startswith(_MAGIC) or raw[6:10] != struct.pack(">I", _VERSION):
        raise _Malformed("the SSH signature is damaged, or of a newer version")
    key, namespace, reserved, digest_name, blob = _strings(raw[10:], 5)
    if namespace != _NAMESPACE:
        raise _Malformed("the SSH signature was made for something else than Git")
    if digest_name not in _DIGESTS:
        raise _Malformed("the SSH signature uses an unknown digest")
    return key, digest_name, blob, reserved


def _is_good(key: bytes, kind: bytes, blob: bytes, signed: bytes) -> bool:
    try:
        public = load_ssh_public_key(kind + b" " + base64.b64encode(key))
    except (ValueError, UnsupportedAlgorithm):
        raise _Malformed(f"SSH keys of type {kind.decode('ascii', 'replace')} are not verified here") from None
    algorithm, signature = _strings(blob, 2)
    try:
        match public:
            case ed25519.Ed25519PublicKey() if algorithm == kind:
                public.verify(signature, signed)
            case rsa.RSAPublicKey() if algorithm in _RSA:
                public.verify(signature, signed, padding.PKCS1v15(), _RSA[algorithm]())
            case ec.EllipticCurvePublicKey() if algorithm == kind and kind in _CURVES:
                r, s = (int.from_bytes(part, signed=True) for part in _strings(signature, 2))
                public.verify(encode_dss_signature(r, s), signed, ec.ECDSA(_CURVES[kind]()))
            case _:
                raise _Malformed(f"SSH signatures of type {algorithm.decode('ascii', 'replace')} are not verified here")
    except InvalidSignature:
        return False
    return True


def _key_kind(key: bytes) -> bytes:
    size = struct.unpack(">I", key[:4])[0] if len(key) >= 4 else 0
    return key[4 : 4 + size]


def _strings(raw: bytes, count: int) -> list[bytes]:
    """So many length-prefixed strings, and nothing behind them."""
    found: list[bytes] = []
    while raw:
        size = struct.unpack(">I", raw[:4])[0] if len(raw) >= 4 else len(raw)
        if len(raw) < 4 + size:
            raise _Malformed("the SSH signature is damaged")
        found.append(raw[4 : 4 + size])
        raw = raw[4 + size :]
    if len(found) != count:
        raise _Malformed("the SSH signature is damaged")
    return found


def _string(raw: bytes) -> bytes:
    return struct.pack(">I", len(raw)) + raw
