"""What a repository's URL is called once all spellings of it are one: the key of its mirror.

`https://Git.Example.com/shop.git/`, `https://git.example.com/shop` and `https://me@git.example.com:443/shop` are one
repository, so the clone URL of a webhook finds the mirror of an Application that spelled it differently.
"""

import functools
import re
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from shipway.base.errors import InvalidInput

_SCP = re.compile(r"(?:(?P<user>[^@/:\s]+)@)?(?P<host>[^:/@\s]+):(?P<path>[^/:\s].*)")
_USERINFO = re.compile(r"([a-z][a-z0-9+.-]*://)[^/@\s]+@", re.IGNORECASE)
_SCHEMES = ("http", "https", "ssh", "git", "file")
_AZURE_SSH, _AZURE = "ssh.dev.azure.com", "dev.azure.com"
_PORTS = {"http": 80, "https": 443, "ssh": 22, "git": 9418}


class Remote(Struct, frozen=True):
    """A repository URL taken apart: `address` is what git is given (no password in it), `key` what it is filed under."""

    address: str
    key: str
    username: str = ""
    password: str = ""


@functools.lru_cache(maxsize=10_000)
def parse_remote(url: str) -> Remote:
    """Raises `InvalidInput` (reason InvalidRepository) for what git must not be given: other schemes, options, line breaks."""
    text = url.strip()
    if not text or text.startswith("-") or any(ord(c) < 32 for c in text):
        raise _refused(url)
    if text.startswith("/"):
        return Remote(text, f"file://{_path(text)}")
    if "://" not in text:
        return _scp(text, url)
    parts = urlsplit(text)
    scheme = parts.scheme.lower()
    try:
        port = parts.port
    except ValueError:
        raise _refused(url) from None
    host = (parts.hostname or "").lower()
    if scheme not in _SCHEMES or host.startswith("-") or (not host and scheme != "file"):
        raise _refused(url)
    place = host if port in (None, _PORTS.get(scheme)) else f"{host}:{port}"
    key = f"{scheme}://{place}{_path(parts.path)}"
    if scheme == "file":
        return Remote(text, key)
    who = f"{parts.username}@" if parts.username and scheme == "ssh" else ""
    query = f"?{parts.query}" if parts.query else ""
    address = f"{scheme}://{who}{place}{parts.path}{query}"
    return Remote(address, key, unquote(parts.username or ""), unquote(parts.password or ""))


def host_of(remote: Remote) -> str:
    """The protocol, the host and the port; "" on this machine."""
    scheme, _, rest = remote.key.partition("://")
    host = rest.partition("/")[0]
    return f"{scheme}://{host}" if host else ""


def normalize(url: str) -> str:
    """The key of a repository; a URL that is none stays itself."""
    try:
        return parse_remote(url).key
    except InvalidInput:
        return url


def place_of(url: str) -> str:
    """Where a repository lies, whatever the protocol, the port and the case: a forge's push names it by one URL of several.

    (Argo CD's rule for webhooks.) `git@ssh.dev.azure.com:v3/org/project/repo` is Azure's SSH spelling of its HTTPS URL.
    """
    scheme, _, rest = normalize(url).partition("://")
    host, slash, path = rest.partition("/")
    host = host if scheme == "file" else re.sub(r":\d+$", "", host)
    parts = path.split("/")
    if host == _AZURE_SSH and len(parts) == 4:
        host, path = _AZURE, f"{parts[1]}/{parts[2]}/_git/{parts[3]}"
    return unquote(f"{host}{slash}{path}").casefold()


def redact(text: str, *secrets: str) -> str:
    """`text` without user information in URLs and without any of `secrets`."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return _USERINFO.sub(r"\1***@", text)


def _scp(text: str, url: str) -> Remote:
    """`git@host:path`, git's short form of ssh."""
    match = _SCP.fullmatch(text)
    if match is None or match["host"].startswith("-"):
        raise _refused(url)
    return Remote(text, f"ssh://{match['host'].lower()}{_path('/' + match['path'])}")


def _path(path: str) -> str:
    return path.rstrip("/").removesuffix(".git").rstrip("/")


def _refused(url: str) -> InvalidInput:
    return InvalidInput(
        f"{redact(url)!r} is not a repository URL: write it like https://host/path.git, ssh://git@host/path.git or file:///path",
        reason="InvalidRepository",
    )
