"""Which API server, and as whom: kubeconfig files as kubectl reads them.

Several files (the KUBECONFIG list) are one: the first file that defines a cluster, user or context wins, and so does the
first `current-context`. Paths inside a file are relative to that file. `*-data` wins over the path beside it. Without any
file, a pod's service account is used. The answer is one `ClusterConfig`; its `repr` shows no credential.
"""

import base64
import binascii
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn, cast
from urllib.parse import urlsplit

from msgspec import Struct, field

from shipway.base.errors import InvalidInput
from shipway.kube.objects import yaml

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_LONGEST_FILE = 16 << 20

Entry = Mapping[str, Any]


class ExecPlugin(Struct, frozen=True):
    """A credential plugin (`client.authentication.k8s.io`); `command` is resolved against its file's folder."""

    command: str
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    api_version: str = "client.authentication.k8s.io/v1"
    provide_cluster_info: bool = False
    install_hint: str = ""
    cluster_extension: Any = None


class ClusterConfig(Struct, frozen=True, repr_omit_defaults=True):
    """All that is needed to speak to one API server. Files are read when needed, so that rotated ones are seen."""

    server: str
    namespace: str = "default"
    context: str = ""
    ca_data: bytes = b""
    ca_file: str = ""
    insecure: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""
    client_cert_data: bytes = b""
    client_cert_file: str = ""
    client_key_data: bytes = b""
    client_key_file: str = ""
    token: str = ""
    token_file: str = ""
    username: str = ""
    password: str = ""
    plugin: ExecPlugin | None = None
    impersonate: tuple[tuple[str, str], ...] = field(default=())

    def __repr__(self) -> str:
        return f"ClusterConfig(server={self.server!r}, context={self.context!r}, namespace={self.namespace!r})"


def load_kubeconfig(
    path: Path | None, context: str | None = None, *, environ: Mapping[str, str] | None = None
) -> ClusterConfig:
    """The cluster of `context` (default: current-context) in `path`, else KUBECONFIG, else ~/.kube/config, else the pod's own.

    Raises InvalidInput saying which file and entry is wrong.
    """
    env = os.environ if environ is None else environ
    files = _files(path, env)
    merged = _merge(files)
    if merged is None:
        if path is None and not context and (config := in_cluster_config(env)):
            return config
        looked = ", ".join(str(file) for file in files) or "nowhere"
        message = f"no kubeconfig found (looked at {looked}): give --kubeconfig or set KUBECONFIG"
        raise InvalidInput(message, reason="NoKubeconfig")
    return _cluster_config(merged, context or merged.current_context, env)


def in_cluster_config(environ: Mapping[str, str], account: Path = _ACCOUNT) -> ClusterConfig | None:
    """The config of the pod we run in; None when this is no pod."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT")
    if not host or not port or not (account / "token").exists():
        return None
    namespace = account / "namespace"
    return ClusterConfig(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        namespace=namespace.read_text().strip() if namespace.exists() else "default",
        context="in-cluster",
        ca_file=str(account / "ca.crt"),
        token_file=str(account / "token"),
    )


class _Merged(Struct):
    """The union of all files; `sources` remembers the file each entry came from."""

    clusters: dict[str, Entry] = field(default_factory=dict)
    users: dict[str, Entry] = field(default_factory=dict)
    contexts: dict[str, Entry] = field(default_factory=dict)
    sources: dict[tuple[str, str], Path] = field(default_factory=dict)
    current_context: str = ""


def _files(path: Path | None, env: Mapping[str, str]) -> list[Path]:
    if path is not None:
        if not path.exists():
            raise InvalidInput(f"kubeconfig {path} does not exist", reason="NoKubeconfig")
        return [path]
    listed = [Path(part) for part in env.get("KUBECONFIG", "").split(os.pathsep) if part]
    if listed:
        return list(dict.fromkeys(listed))
    home = env.get("HOME") or env.get("USERPROFILE")
    return [Path(home) / ".kube" / "config"] if home else []


def _merge(files: list[Path]) -> _Merged | None:
    present = [file for file in files if file.exists()]
    merged = _Merged()
    for file in present:
        document = _read(file)
        merged.current_context = merged.current_context or str(document.get("current-context") or "")
        for section, key in (("clusters", "cluster"), ("users", "user"), ("contexts", "context")):
            known: dict[str, Entry] = getattr(merged, section)
            fresh = {name: entry for name, entry in _entries(document, section, key, file).items() if name not in known}
            known.update(fresh)
            merged.sources.update({(section, name): file for name in fresh})
    return merged if present else None


def _read(file: Path) -> Entry:
    try:
        if file.stat().st_size > _LONGEST_FILE:
            raise InvalidInput(f"kubeconfig {file} is larger than 16 MiB", reason="InvalidKubeconfig")
        document = yaml.load(file.read_bytes())
    except InvalidInput as error:
        raise InvalidInput(f"kubeconfig {file}: {error.message}", reason="InvalidKubeconfig") from error
    except OSError as error:
        raise InvalidInput(f"kubeconfig {file} cannot be read: {error}", reason="InvalidKubeconfig") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise InvalidInput(f"kubeconfig {file} is not a mapping", reason="InvalidKubeconfig")
    return cast(Entry, document)


def _entries(document: Entry, section: str, key: str, file: Path) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    rows: object = document.get(section) or []
    if not isinstance(rows, list):
        raise InvalidInput(f"kubeconfig {file}: {section} is not a list", reason="InvalidKubeconfig")
    for row in cast(list[Any], rows):
        if not isinstance(row, dict) or not isinstance(cast(Entry, row).get("name"), str):
            raise InvalidInput(f"kubeconfig {file}: an entry of {section} has no name", reason="InvalidKubeconfig")
        entry = cast(Entry, row)
        if entry["name"] in entries:
            raise InvalidInput(f"kubeconfig {file}: {section} has {entry['name']!r} twice", reason="InvalidKubeconfig")
        entries[entry["name"]] = entry.get(key) or {}
    return entries


def _cluster_config(merged: _Merged, name: str, env: Mapping[str, str]) -> ClusterConfig:
    if not name:
        known = ", ".join(sorted(merged.contexts)) or "none"
        raise InvalidInput(f"the kubeconfig has no current-context: choose one with --context (there are: {known})")
    context = merged.contexts.get(name)
    if context is None:
        known = ", ".join(sorted(merged.contexts)) or "none"
        raise InvalidInput(f'context "{name}" does not exist in the kubeconfig (there are: {known})', reason="NoContext")
    cluster_name, user_name = str(context.get("cluster") or ""), str(context.get("user") or "")
    cluster = merged.clusters.get(cluster_name)
    if cluster is None or not cluster.get("server"):
        raise InvalidInput(f'context "{name}": cluster "{cluster_name}" is not in the kubeconfig or has no server')
    if user_name and user_name not in merged.users:
        raise InvalidInput(f'context "{name}": user "{user_name}" is not in the kubeconfig', reason="NoUser")
    server = str(cluster["server"]).rstrip("/")
    return ClusterConfig(
        server=server if "://" in server else f"http://{server}",
        namespace=context.get("namespace") or "default",
        context=name,
        **_cluster_fields(cluster, merged.sources["clusters", cluster_name].parent, server, env),
        **_user_fields(merged, user_name, cluster),
    )


def _cluster_fields(cluster: Entry, folder: Path, server: str, env: Mapping[str, str]) -> dict[str, Any]:
    return {
        "ca_data": _data(cluster, "certificate-authority-data"),
        "ca_file": _path(cluster, "certificate-authority", folder),
        "insecure": bool(cluster.get("insecure-skip-tls-verify")),
        "tls_server_name": cluster.get("tls-server-name") or "",
        "proxy_url": cluster.get("proxy-url") or _environment_proxy(server, env),
    }


def _user_fields(merged: _Merged, name: str, cluster: Entry) -> dict[str, Any]:
    user = merged.users.get(name)
    if not user:
        return {}
    folder = merged.sources["users", name].parent
    if user.get("auth-provider"):
        raise InvalidInput(f'user "{name}": auth-provider is gone from kubectl too: use an exec plugin', reason="AuthProvider")
    return {
        "client_cert_data": _data(user, "client-certificate-data"),
        "client_cert_file": _path(user, "client-certificate", folder),
        "client_key_data": _data(user, "client-key-data"),
        "client_key_file": _path(user, "client-key", folder),
        "token": user.get("token") or "",
        "token_file": _path(user, "tokenFile", folder),
        "username": user.get("username") or "",
        "password": user.get("password") or "",
        "plugin": _plugin(user["exec"], name, folder, cluster) if user.get("exec") else None,
        "impersonate": _impersonation(user),
    }


def _plugin(spec: Entry, user: str, folder: Path, cluster: Entry) -> ExecPlugin:
    command, version = str(spec.get("command") or ""), str(spec.get("apiVersion") or "")
    if not command:
        raise InvalidInput(f'user "{user}": exec has no command')
    if version not in ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"):
        raise InvalidInput(f'user "{user}": exec apiVersion {version!r} is not supported: use client.authentication.k8s.io/v1')
    if spec.get("interactiveMode") == "Always":
        message = f'user "{user}": exec with interactiveMode Always cannot be used here: nobody could answer its questions'
        raise InvalidInput(message, reason="InteractivePlugin")
    if os.sep in command and not os.path.isabs(command):
        command = str((folder / command).resolve())
    extensions: list[Entry] = cluster.get("extensions") or []
    wanted = "client.authentication.k8s.io/exec"
    return ExecPlugin(
        command=command,
        args=tuple(str(arg) for arg in spec.get("args") or ()),
        env=tuple((str(e["name"]), str(e.get("value") or "")) for e in spec.get("env") or ()),
        api_version=version,
        provide_cluster_info=bool(spec.get("provideClusterInfo")),
        install_hint=str(spec.get("installHint") or ""),
        cluster_extension=next((e.get("extension") for e in extensions if e.get("name") == wanted), None),
    )


def _impersonation(user: Entry) -> tuple[tuple[str, str], ...]:
    headers = [("impersonate-user", user["as"])] if user.get("as") else []
    headers += [("impersonate-uid", user["as-uid"])] if user.get("as-uid") else []
    headers += [("impersonate-group", str(group)) for group in user.get("as-groups") or ()]
    extra: Mapping[str, list[str]] = user.get("as-user-extra") or {}
    headers += [(f"impersonate-extra-{key.lower()}", value) for key, values in extra.items() for value in values]
    return tuple(headers)


def _data(entry: Entry, key: str) -> bytes:
    text = entry.get(key)
    if not text:
        return b""
    try:
        return base64.b64decode(str(text), validate=False)
    except (binascii.Error, ValueError) as error:
        _broken(key, error)


def _broken(key: str, error: Exception) -> NoReturn:
    raise InvalidInput(f"kubeconfig: {key} is not base64: {error}", reason="InvalidKubeconfig") from error


def _path(entry: Entry, key: str, folder: Path) -> str:
    value = entry.get(key)
    return str((folder / str(value)).resolve()) if value else ""


def _environment_proxy(server: str, env: Mapping[str, str]) -> str:
    """HTTPS_PROXY / HTTP_PROXY unless NO_PROXY (exact host, or a domain's tail) or loopback says otherwise."""
    parts = urlsplit(server)
    host = (parts.hostname or "").lower()
    if host in ("localhost", "::1") or host.startswith("127."):
        return ""
    scheme = parts.scheme or "https"
    proxy = env.get(f"{scheme}_proxy") or env.get(f"{scheme.upper()}_PROXY") or ""
    excluded = [e.strip().lower().lstrip(".") for e in (env.get("no_proxy") or env.get("NO_PROXY") or "").split(",")]
    if any(e and (e == "*" or host == e or host.endswith("." + e)) for e in excluded):
        return ""
    return proxy
