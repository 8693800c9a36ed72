"""Whom our connections trust: whomever Go's programs trust too, whatever Python runs us.

Python 3.13 began to refuse authorities whose certificates lack a key identifier or a key usage (`VERIFY_X509_STRICT`), as
those of many companies and clusters do. kubectl, git and Argo CD connect to such servers, so Shipway does.
"""

import ssl
from pathlib import Path


def trusting(*, ca: str = "", ca_file: str = "", insecure: bool = False) -> ssl.SSLContext:
    """A client that trusts the authorities in `ca` (PEM) or in the file, those of the system where neither is given.

    `insecure`: it trusts everybody.
    Raises ssl.SSLError or OSError when the authorities cannot be read.
    """
    context = ssl.create_default_context(cadata=ca or None, cafile=ca_file or None)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def serving(certificate: Path, key: Path, *, client_ca: Path | None = None) -> ssl.SSLContext:
    """A server of HTTP/1.1 under that certificate; with `client_ca` its clients have to show one signed by it."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(client_ca) if client_ca else None)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certificate, key)
    return context
