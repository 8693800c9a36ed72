"""Who we are to an API server, request by request: headers and, when a plugin says so, another client certificate.

Three sources change while we run: a token file is read again every minute, an exec plugin is asked again when its answer
expires, and both at once after a 401; certificate files are told by `files_stamp`. A plugin runs without a shell, in its own
process group, and is killed on every path. Nothing here is ever logged.
"""

import asyncio
import base64
import os
import signal
import ssl
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
from msgspec import Struct

from shipway.base.clock import Clock, Instant, parse_rfc3339
from shipway.base.endings import to_the_end
from shipway.base.errors import Denied, InvalidInput, Unavailable
from shipway.base.tls import trusting
from shipway.kube.client.kubeconfig import ClusterConfig, ExecPlugin

_TOKEN_FILE_SECONDS = 60.0
_PLUGIN_SECONDS = 60.0
_EXPIRY_MARGIN = 10.0


class PluginAnswer(Struct, frozen=True):
    """What an exec plugin gave: a token, or a client certificate and its key, or both; good until `expires`."""

    token: str = ""
    cert: bytes = b""
    key: bytes = b""
    expires: Instant | None = None

    def __repr__(self) -> str:
        return f"PluginAnswer(expires={self.expires})"


class Credentials:
    """The authorization of the next request. `refresh` after a 401 says whether trying again makes sense."""

    def __init__(self, config: ClusterConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._file_token = ("", float("-inf"))
        self._answer: PluginAnswer | None = None
        self._lock = asyncio.Lock()

    async def headers(self) -> list[tuple[str, str]]:
        """Authorization and impersonation headers."""
        pairs = list(self._config.impersonate)
        if value := await self._authorization():
            pairs.append(("authorization", value))
        return pairs

    def client_certificate(self) -> tuple[bytes, bytes] | None:
        """Certificate and key that the plugin gave, PEM."""
        answer = self._answer
        return (answer.cert, answer.key) if answer and answer.cert else None

    def refresh(self) -> bool:
        """Forget what may be stale; True if there is anything that could differ the next time."""
        self._file_token = ("", float("-inf"))
        self._answer = None
        return self._config.plugin is not None or bool(self._config.token_file)

    async def _authorization(self) -> str:
        config = self._config
        if config.username:
            raw = f"{config.username}:{config.password}".encode()
            return "Basic " + base64.b64encode(raw).decode()
        token = self._read_token_file() if config.token_file else config.token
        if not token and config.plugin:
            token = (await self._ask_plugin(config.plugin)).token
        return f"Bearer {token}" if token else ""

    def _read_token_file(self) -> str:
        token, read_at = self._file_token
        now = self._clock.now()
        if not 0 <= now - read_at < _TOKEN_FILE_SECONDS:  # a clock that was set back counts as too late
            try:
                token = Path(self._config.token_file).read_text().strip() or token
            except OSError as error:
                if not token:
                    raise Denied(f"token file {self._config.token_file} cannot be read: {error}", reason="NoToken") from error
            self._file_token = (token, now)
        return token

    async def _ask_plugin(self, plugin: ExecPlugin) -> PluginAnswer:
        async with self._lock:
            answer = self._answer
            if answer is None or (answer.expires is not None and answer.expires - _EXPIRY_MARGIN <= self._clock.now()):
                answer = self._answer = await run_plugin(plugin, self._config)
            return answer


async def run_plugin(plugin: ExecPlugin, config: ClusterConfig) -> PluginAnswer:
    """Run a credential plugin once. Raises Denied (it failed), InvalidInput (not there, nonsense) or Unavailable (too slow)."""
    env = {**os.environ, **dict(plugin.env), "KUBERNETES_EXEC_INFO": orjson.dumps(_exec_info(plugin, config)).decode()}
    try:
        process = await asyncio.create_subprocess_exec(
            plugin.command, *plugin.args, env=env, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        hint = f" {plugin.install_hint}" if plugin.install_hint else ""
        raise InvalidInput(f"credential plugin {plugin.command} cannot start: {error}.{hint}", reason="NoPlugin") from error
    try:
        async with asyncio.timeout(_PLUGIN_SECONDS):
            out, err = await process.communicate()
    except TimeoutError as error:
        raise Unavailable(f"credential plugin {plugin.command} did not answer in {_PLUGIN_SECONDS:.0f} s") from error
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await to_the_end(process.wait)
    if process.returncode != 0:
        said = f"exit code {process.returncode}: {err.decode(errors='replace').strip()[-500:]}"
        raise Denied(f"credential plugin {plugin.command} failed with {said}", reason="PluginFailed")
    return _read_answer(out, plugin)


def _exec_info(plugin: ExecPlugin, config: ClusterConfig) -> dict[str, Any]:
    spec: dict[str, Any] = {"interactive": False}
    if plugin.provide_cluster_info:
        ca = config.ca_data or (Path(config.ca_file).read_bytes() if config.ca_file else b"")
        cluster = {
            "server": config.server,
            "tls-server-name": config.tls_server_name or None,
            "insecure-skip-tls-verify": config.insecure or None,
            "certificate-authority-data": base64.b64encode(ca).decode() or None,
            "proxy-url": config.proxy_url or None,
            "config": plugin.cluster_extension,
        }
        spec["cluster"] = {key: value for key, value in cluster.items() if value is not None}
    return {"apiVersion": plugin.api_version, "kind": "ExecCredential", "spec": spec}


def _read_answer(out: bytes, plugin: ExecPlugin) -> PluginAnswer:
    try:
        document = orjson.loads(out)
        status: Mapping[str, Any] = document["status"]
        expires = parse_rfc3339(status["expirationTimestamp"]) if status.get("expirationTimestamp") else None
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput(f"credential plugin {plugin.command} did not print an ExecCredential with a status") from error
    if document.get("apiVersion") != plugin.api_version:
        raise InvalidInput(f"credential plugin {plugin.command} answered in another version than {plugin.api_version}")
    cert, key = str(status.get("clientCertificateData") or ""), str(status.get("clientKeyData") or "")
    if not status.get("token") and not (cert and key):
        raise InvalidInput(f"credential plugin {plugin.command} gave neither a token nor a certificate with its key")
    return PluginAnswer(str(status.get("token") or ""), cert.encode(), key.encode(), expires)


def files_stamp(config: ClusterConfig) -> tuple[tuple[int, int, int], ...]:
    """Changes whenever one of the files of `tls_context` does."""
    stamps: list[tuple[int, int, int]] = []
    for file in (config.ca_file, config.client_cert_file, config.client_key_file):
        try:
            found = os.stat(file) if file else None
        except OSError:
            found = None
        stamps.append((found.st_mtime_ns, found.st_size, found.st_ino) if found else (0, 0, 0))
    return tuple(stamps)


def tls_context(config: ClusterConfig, plugin_certificate: tuple[bytes, bytes] | None = None) -> ssl.SSLContext:
    """The TLS settings of a config. Raises InvalidInput when a certificate or key cannot be used."""
    try:
        ca_file = config.ca_file if not config.ca_data else ""
        context = trusting(ca=(config.ca_data or b"").decode(), ca_file=ca_file or "", insecure=config.insecure)
        _load_client_certificate(context, config, plugin_certificate)
    except (ssl.SSLError, OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"TLS settings for {config.server} cannot be used: {error}", reason="BadCertificate") from error
    return context


def _load_client_certificate(
    context: ssl.SSLContext, config: ClusterConfig, plugin_certificate: tuple[bytes, bytes] | None
) -> None:
    cert, key = plugin_certificate or (config.client_cert_data, config.client_key_data)
    cert = cert or (Path(config.client_cert_file).read_bytes() if config.client_cert_file else b"")
    key = key or (Path(config.client_key_file).read_bytes() if config.client_key_file else b"")
    if not cert or not key:
        return
    # OpenSSL loads from paths only. A memory file leaves nothing behind however we end; elsewhere it is a private folder,
    # removed at once.
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("client", os.MFD_CLOEXEC)
        try:
            os.write(descriptor, cert + b"\n" + key)
            context.load_cert_chain(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "client.pem"
        file.touch(mode=0o600)
        file.write_bytes(cert + b"\n" + key)
        context.load_cert_chain(file)
