"""The few certificates of a control plane that lives for one test run: a CA, the server, an administrator, a token key."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

KUBELET_CLIENT = "kube-apiserver-kubelet-client"
"""The name that the API server shows to nodes."""
Key = ec.EllipticCurvePrivateKey

_HOSTS = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
_ADDRESSES = ("127.0.0.1", "10.96.0.1")


def write_certificates(folder: Path, *, key_identifiers: bool = True) -> None:
    """Writes `.crt` and `.key` of ca, server, admin (of `system:masters`) and kubelet-client, and the token key `sa.key`,
    `sa.pub`. Without `key_identifiers` they lack what Python's own clients want to see since 3.13.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ca_key, ca_name = ec.generate_private_key(ec.SECP256R1()), _name("shipway-test-ca")
    identifiers = _identifiers(ca_key) if key_identifiers else ()
    ca = (
        _builder(ca_name, ca_name, ca_key, identifiers[:1])
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    _write(folder, "ca", ca, ca_key)
    names = [x509.DNSName(host) for host in _HOSTS] + [x509.IPAddress(ip_address(a)) for a in _ADDRESSES]
    server_key, admin_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    server = _leaf(_name("kube-apiserver"), ca_name, server_key, ExtendedKeyUsageOID.SERVER_AUTH, identifiers[1:])
    _write(
        folder,
        "server",
        server.add_extension(x509.SubjectAlternativeName(names), False).sign(ca_key, hashes.SHA256()),
        server_key,
    )
    admin = _leaf(
        _name("shipway-test-admin", "system:masters"), ca_name, admin_key, ExtendedKeyUsageOID.CLIENT_AUTH, identifiers[1:]
    )
    _write(folder, "admin", admin.sign(ca_key, hashes.SHA256()), admin_key)
    kubelet_key = ec.generate_private_key(ec.SECP256R1())
    kubelet = _leaf(_name(KUBELET_CLIENT), ca_name, kubelet_key, ExtendedKeyUsageOID.CLIENT_AUTH, identifiers[1:])
    _write(folder, "kubelet-client", kubelet.sign(ca_key, hashes.SHA256()), kubelet_key)
    token_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    _private(folder / "sa.key", _pem(token_key))
    public = token_key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / "sa.pub").write_bytes(public)


def _name(common: str, group: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)] if group else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _identifiers(ca_key: Key) -> tuple[x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier]:
    """That of the authority, and by which the certificates it signs name it."""
    own = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    return own, x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Key, identifiers: Sequence[x509.ExtensionType]
) -> x509.CertificateBuilder:
    start = datetime.now(UTC) - timedelta(minutes=5)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=2))
    )
    for one in identifiers:
        builder = builder.add_extension(one, critical=False)
    return builder


def _leaf(
    subject: x509.Name, issuer: x509.Name, key: Key, use: x509.ObjectIdentifier, identifiers: Sequence[x509.ExtensionType]
) -> x509.CertificateBuilder:
    builder = _builder(subject, issuer, key, identifiers)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    return builder.add_extension(_usage(), critical=True).add_extension(x509.ExtendedKeyUsage([use]), critical=False)


def _usage(*, signs_certificates: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not signs_certificates,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: Key | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def _write(folder: Path, name: str, certificate: x509.Certificate, key: Key) -> None:
    (folder / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    _private(folder / f"{name}.key", _pem(key))


def _private(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
