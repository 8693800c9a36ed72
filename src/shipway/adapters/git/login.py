"""How git gets to know who we are: through its environment, and through files that live as long as one command.

Nothing secret stands on a command line. Passwords are told by an askpass script, which answers only the place that they are
for: a redirect to another host, or from https to http, gets none. Tokens go as a header, and then no redirect is followed.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from shipway.api.repositories import Credentials
from shipway.base.errors import InvalidInput

ASKPASS = """\
#!/bin/sh
case "$1" in
"Username for '$SHIPWAY_GIT_SCHEME://$SHIPWAY_GIT_HOST': ") printf '%s\\n' "$SHIPWAY_GIT_USERNAME" ;;
"Password for '$SHIPWAY_GIT_SCHEME://$SHIPWAY_GIT_HOST': ") printf '%s\\n' "$SHIPWAY_GIT_PASSWORD" ;;
"Password for '$SHIPWAY_GIT_SCHEME://"*"@$SHIPWAY_GIT_HOST': ") printf '%s\\n' "$SHIPWAY_GIT_PASSWORD" ;;
*) exit 1 ;;
esac
"""
_PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
_NO_PROXIES = ("no_proxy", "NO_PROXY")
_SSH = ("ssh", "-o", "BatchMode=yes", "-o", "UpdateHostKeys=no", "-o", "ConnectTimeout=30")


class Access(Struct, frozen=True):
    """Which remote a command talks to, and as whom."""

    address: str = ""
    credentials: Credentials = Credentials()


@contextlib.contextmanager
def environment_for(access: Access, home: Path) -> Iterator[dict[str, str]]:
    """What git needs in its environment; the files it names are gone after the block. Raises InvalidInput (InvalidLogin)."""
    who = access.credentials
    address = urlsplit(access.address)
    with tempfile.TemporaryDirectory(dir=home, prefix="login-") as folder:
        yield {
            **_ssh(who, home, Path(folder), access.address),
            **_tls(who, Path(folder)),
            **_proxy(who),
            **_settings(who),
            "GIT_ASKPASS": str(home / "askpass") if who.username or who.password else "/bin/false",
            "SHIPWAY_GIT_SCHEME": address.scheme,
            "SHIPWAY_GIT_HOST": address.netloc.rpartition("@")[2],
            "SHIPWAY_GIT_USERNAME": who.username,
            "SHIPWAY_GIT_PASSWORD": who.password,
        }


def _ssh(who: Credentials, home: Path, folder: Path, address: str) -> dict[str, str]:
    if who.proxy and address and not address.startswith(("http:", "https:")):
        raise InvalidInput("a proxy is supported for http and https only: use such a URL, or remove it", reason="InvalidLogin")
    command = [*_SSH, "-o", f"StrictHostKeyChecking={'no' if who.insecure else 'yes'}"]
    if who.insecure:
        command += ["-o", "UserKnownHostsFile=/dev/null"]
    elif who.known_hosts is not None:
        known = _file(folder, "known_hosts", who.known_hosts)
        command += ["-o", f"UserKnownHostsFile={known}", "-o", "GlobalKnownHostsFile=/dev/null"]
    else:
        command += ["-o", f"UserKnownHostsFile={home / 'known_hosts'}"]
    if who.ssh_key:
        # Nothing of the account that we run as: neither its configuration nor its keys.
        key = _file(folder, "key", who.ssh_key)
        command += ["-F", "none", "-i", key, "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"]
    return {"GIT_SSH_COMMAND": " ".join(map(_quoted, command))}


def _tls(who: Credentials, folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    if who.ca_bundle:
        found["GIT_SSL_CAINFO"] = _file(folder, "ca.pem", who.ca_bundle)
    if who.client_cert:
        found["GIT_SSL_CERT"] = _file(folder, "client.crt", who.client_cert)
        found["GIT_SSL_KEY"] = _file(folder, "client.key", who.client_key)
    if who.insecure:
        found["GIT_SSL_NO_VERIFY"] = "1"
    return found


def _proxy(who: Credentials) -> dict[str, str]:
    """A proxy of the repository's own takes the place of the process's."""
    if who.proxy:
        return {**dict.fromkeys(_PROXIES, who.proxy), **dict.fromkeys(_NO_PROXIES, who.no_proxy)}
    return {name: os.environ[name] for name in (*_PROXIES, *_NO_PROXIES) if name in os.environ}


def _settings(who: Credentials) -> dict[str, str]:
    """Settings that hold a secret; git reads them from the environment as it does from a file."""
    # Git asks for a name until it is given one.
    if not who.bearer_token and not (who.password and (who.force_basic or not who.username)):
        return {}
    settings = {"http.extraHeader": f"Authorization: {who.authorization}", "http.followRedirects": "false"}
    pairs = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (name, value) in enumerate(settings.items()):
        pairs |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return pairs


def _file(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.touch(0o600)
    path.write_text(text if text.endswith("\n") else f"{text}\n")
    return str(path)


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"
