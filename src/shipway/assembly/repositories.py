"""What the cluster says about repositories: how to log in, which hosts are known, how often to look. Watched, so a new or
changed Secret is used at once and a removed one is forgotten.

Argo CD's names: Secrets labelled `repository` and `repo-creds` (`repository-write` and `repo-write-creds` for pushing), the
ConfigMaps `argocd-ssh-known-hosts-cm`, `argocd-tls-certs-cm` and `argocd-gpg-keys-cm`, the timeouts of `argocd-cm`. A
repository's own Secret comes first; what it says of no login is lent by the template with the longest prefix. A prefix names
whole hosts: `https://git.example` is none of `https://git.example.evil/x`.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import structlog
from msgspec.structs import replace

from shipway.adapters.git.urls import normalize, redact
from shipway.api.cmd_params import CMD_PARAMS, flag
from shipway.api.kinds import CONFIG_MAPS, SECRETS
from shipway.api.repositories import (
    REPOSITORY,
    SECRET_TYPE,
    TEMPLATE,
    WRITE_REPOSITORY,
    WRITE_TEMPLATE,
    Credentials,
    Repository,
    parse_repository,
)
from shipway.assembly.polling import TIMEOUT, Polling, read_polling
from shipway.base.clock import Clock, Instant
from shipway.base.errors import InvalidInput, Unavailable
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, name_of, namespace_of
from shipway.kube.runtime.informer import Informer

log = structlog.get_logger()

SELECTOR = f"{SECRET_TYPE} in ({REPOSITORY},{TEMPLATE},{WRITE_REPOSITORY},{WRITE_TEMPLATE})"
KNOWN_HOSTS, CERTIFICATES, SETTINGS = "argocd-ssh-known-hosts-cm", "argocd-tls-certs-cm", "argocd-cm"
GPG_KEYS = "argocd-gpg-keys-cm"
SUBMODULES = "reposerver.enable.git.submodule"
PATIENCE = 20.0
"""Seconds to wait for the Secrets before a repository is called unreachable for the lack of them."""

Concerns = Callable[[str], bool]
"""Whether a repository, given by its URL in any spelling, is concerned."""


class Logins:
    """Pure lookups over the Secrets of one namespace: which of them say how to log in at a URL."""

    def __init__(self) -> None:
        self._exact: defaultdict[str, dict[str, Repository]] = defaultdict(dict)
        self._templates: dict[str, tuple[str, Repository]] = {}

    def put(self, found: Repository) -> None:
        if found.is_template:
            self._templates[found.secret] = (prefix_of(found.url), found)
        else:
            self._exact[key_of(found.url)][found.secret] = found

    def remove(self, gone: Repository) -> None:
        key = key_of(gone.url)
        self._templates.pop(gone.secret, None)
        self._exact[key].pop(gone.secret, None)
        if not self._exact[key]:
            del self._exact[key]

    def all(self) -> list[Repository]:
        found = [one for by_secret in self._exact.values() for one in by_secret.values()]
        return sorted([*found, *(one for _, one in self._templates.values())], key=lambda one: (one.url, one.secret))

    def find(self, url: str, project: str = "") -> tuple[Repository | None, Repository | None]:
        """The Secret of this very repository, that of the project first, and the template that fits best; those of other
        projects are as if they were not there."""
        key = key_of(url)
        exact = [one for one in self._exact.get(key, {}).values() if one.project in ("", project)]
        exact.sort(key=lambda one: (not one.project, one.secret))
        fitting = [
            (len(prefix), one.project, one.secret, one)
            for prefix, one in self._templates.values()
            if one.project in ("", project) and is_below(key, prefix)
        ]
        return exact[0] if exact else None, max(fitting, key=lambda fit: fit[:3])[3] if fitting else None

    def credentials(self, url: str, project: str = "") -> Credentials:
        """What the Secrets say for a project. Raises InvalidInput (InvalidLogin) when one that counts cannot be used."""
        own, template = self.find(url, project)
        chosen = own.credentials if own else Credentials()
        lender = None if chosen.has_login else template
        for used in (own, lender):
            if used is not None and used.problem:
                raise InvalidInput(f"repository {redact(url)}: {used.problem}", reason="InvalidLogin")
        merged = chosen.over(lender.credentials) if lender else chosen
        return replace(merged, project=next((one.project for one in (own, lender) if one and one.project), ""))


class Repositories:
    """Watches what one namespace says about repositories."""

    def __init__(self, client: Client, clock: Clock, namespace: str) -> None:
        self._namespace = namespace
        self._clock = clock
        self._logins = Logins()
        self._write_logins = Logins()
        self._polling = Polling()
        self._listeners: list[Callable[[Concerns], None]] = []
        self._secrets = Informer(client, SECRETS, namespace=namespace, label_selector=SELECTOR, clock=clock)
        self._secrets.on_event(self._secret_changed)
        self._maps = {
            name: Informer(client, CONFIG_MAPS, namespace=namespace, field_selector=f"metadata.name={name}", clock=clock)
            for name in (KNOWN_HOSTS, CERTIFICATES, SETTINGS, CMD_PARAMS, GPG_KEYS)
        }
        for informer in self._maps.values():
            informer.on_event(self._map_changed)

    async def run(self) -> None:
        """Watches until cancelled."""
        async with asyncio.TaskGroup() as group:
            for informer in self._informers:
                group.create_task(informer.run())

    async def synced(self) -> None:
        """Returns once everything has been read: nobody knocks without a login because its Secret was still on the way.

        Raises Unavailable when that takes too long."""
        try:
            async with asyncio.timeout(PATIENCE):
                for informer in self._informers:
                    await informer.synced.wait()
        except TimeoutError:
            raise Unavailable(
                f"the repository Secrets of namespace {self._namespace} could not be read: may we list Secrets and ConfigMaps?",
                reason="SecretsUnread",
            ) from None

    def known(self) -> list[Repository]:
        """Every Secret about repositories, by URL; none of those that are for pushing."""
        return self._logins.all()

    def assume(self, repository: Repository) -> None:
        """Counts a Secret in that does not exist (yet)."""
        self._logins.put(repository)

    def on_change(self, listener: Callable[[Concerns], None]) -> None:
        """Told whenever another way to log in counts, and for which repositories."""
        self._listeners.append(listener)

    def credentials(self, url: str, project: str = "") -> Credentials:
        """How to log in at `url` now. Raises InvalidInput (InvalidLogin) for a Secret that cannot be used."""
        return self._at_host(self._logins.credentials(url, project), url)

    def write_credentials(self, url: str, project: str = "") -> Credentials:
        """The same for pushing: a login for reading is none for writing."""
        return self._at_host(self._write_logins.credentials(url, project), url)

    def _at_host(self, credentials: Credentials, url: str) -> Credentials:
        known = self._data(KNOWN_HOSTS)
        return replace(
            credentials,
            known_hosts=known.get("ssh_known_hosts") if known is not None else None,
            ca_bundle=(self._data(CERTIFICATES) or {}).get(urlsplit(normalize(url)).hostname or "", ""),
        )

    def seconds_until_poll(self, url: str, now: Instant) -> float:
        """When a repository is looked at again though nobody told of a push."""
        return self._polling.seconds_until_next(key_of(url), now)

    @property
    def gpg_keys(self) -> dict[str, str]:
        """Armored OpenPGP keys that are known, by name."""
        return self._data(GPG_KEYS) or {}

    @property
    def has_submodules(self) -> bool:
        """Whether submodules are fetched (Argo CD's switch; on unless it says false)."""
        return flag(self._data(CMD_PARAMS) or {}, SUBMODULES, default=True)

    @property
    def _informers(self) -> Sequence[Informer]:
        return (self._secrets, *self._maps.values())

    def _data(self, name: str) -> dict[str, str] | None:
        found = self._maps[name].get(self._namespace, name)
        return None if found is None else found.get("data") or {}

    def _secret_changed(self, old: Obj | None, new: Obj | None) -> None:
        read = [
            parse_repository(obj) if obj is not None and namespace_of(obj) == self._namespace else None for obj in (old, new)
        ]
        before, after = read
        if before is not None:
            self._among(before).remove(before)
        if after is not None:
            self._among(after).put(after)
        concerned = [one for one in (before, after) if one is not None and not one.writes]
        if concerned and before != after:
            self._tell(lambda url: any(_serves(one, url) for one in concerned))

    def _among(self, one: Repository) -> Logins:
        return self._write_logins if one.writes else self._logins

    def _map_changed(self, old: Obj | None, new: Obj | None) -> None:
        obj = new or old or {}
        if namespace_of(obj) != self._namespace:
            return
        if name_of(obj) == CMD_PARAMS:
            return
        if name_of(obj) == GPG_KEYS:
            self._tell(lambda _: True)
            return
        if name_of(obj) == SETTINGS:
            self._read_polling((new or {}).get("data") or {})
            return
        if name_of(obj) == KNOWN_HOSTS:
            self._tell(lambda url: key_of(url).startswith("ssh:"))
            return
        before, after = dig(old or {}, "data", default={}), dig(new or {}, "data", default={})
        hosts = {host for host in before.keys() | after.keys() if before.get(host) != after.get(host)}
        self._tell(lambda url: urlsplit(key_of(url)).hostname in hosts)

    def _read_polling(self, settings: dict[str, str]) -> None:
        before = self._polling
        try:
            self._polling = read_polling(settings)
        except ValueError as error:
            log.warning("setting_refused", config_map=SETTINGS, message=f"{TIMEOUT}: {error}")
        if self._polling != before:
            self._tell(lambda url: True)

    def _tell(self, concerns: Concerns) -> None:
        for listener in self._listeners:
            listener(concerns)


def _serves(one: Repository, url: str) -> bool:
    return is_below(key_of(url), prefix_of(one.url)) if one.is_template else key_of(url) == key_of(one.url)


def key_of(url: str) -> str:
    """What a repository or a prefix is compared by."""
    text = url.strip()
    if "://" not in text and "@" in text and not text.partition(":")[2]:
        text = f"ssh://{text.removesuffix(':')}"  # git@host: as a prefix
    return normalize(text).casefold()


def prefix_of(url: str) -> str:
    """What a template's URL is compared by: a slash at its end is part of what was meant."""
    return key_of(url) + ("/" if url.strip().endswith("/") else "")


def is_below(key: str, prefix: str) -> bool:
    """Whether a repository lies under a prefix: the same protocol and host, and a path that begins so (Argo CD's rule)."""
    if not key.startswith(prefix):
        return False
    host = prefix.partition("://")[2]
    return "/" in host or not key[len(prefix) :] or key[len(prefix)] == "/"


@asynccontextmanager
async def repositories_now(client: Client, clock: Clock, namespace: str) -> AsyncIterator[Repositories]:
    """What is said about repositories, for one command."""
    repositories = Repositories(client, clock, namespace)
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(repositories.run())
        try:
            await repositories.synced()
            yield repositories
        finally:
            watching.cancel()
