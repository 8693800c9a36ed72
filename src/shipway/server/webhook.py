"""What a forge's push webhook says, as one value: GitHub, GitLab, Gitea (and Gogs, Forgejo), Bitbucket (Cloud and Server),
Azure DevOps.

A push names its repository by several URLs; all are given, and whoever knows repositories compares them. Which paths it
touched is not asked: the mirror knows better. Secrets are compared in constant time. A forge whose secret is not configured
is believed: a delivery, forged, replayed or doubled, can only cause one more look at a repository.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs

import orjson
from msgspec import Struct

from shipway.base.errors import Denied, InvalidInput

Headers = Mapping[str, str]
Secrets = Mapping[str, str]
Payload = dict[str, Any]

_URLS = (
    *("clone_url", "ssh_url", "html_url", "git_url", "git_http_url", "git_ssh_url", "http_url", "url", "homepage", "web_url"),
    *("remoteUrl", "sshUrl"),
)
_MAX_REFS = 1000


class PushEvent(Struct, frozen=True):
    """Refs of a repository moved; `refs` empty: it is not known which. Or something happened to one of its pull requests."""

    repo_urls: tuple[str, ...]
    refs: tuple[str, ...]
    is_pull_request: bool = False


class Forge(Struct, frozen=True):
    """One forge. `check` raises Denied for a delivery that is not its; `refs` finds what moved, None for another event;
    `is_pull` tells whether that is about a pull request."""

    name: str
    header: str
    check: Callable[[Headers, bytes, Secrets], None]
    refs: Callable[[Headers, Payload], tuple[str, ...] | None]
    is_pull: Callable[[Headers, Payload], bool] = lambda headers, payload: False


def parse_push(headers: Headers, body: bytes, secrets: Secrets) -> PushEvent | None:
    """The push or pull request that a delivery tells of; None for any other event. Header names in any case.

    `secrets` are spelled as in Argo CD's Secret `argocd-secret`. Raises `Denied` (WebhookSignature) for a wrong or missing
    signature where a secret is configured, `InvalidInput` (InvalidWebhook) for what is no delivery of a forge we know.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    forge = next((forge for forge in FORGES if forge.header in lower), None)
    if forge is None:
        raise InvalidInput(
            "not a webhook of GitHub, GitLab, Gitea, Bitbucket or Azure DevOps: the header that names the event is missing",
            reason="InvalidWebhook",
        )
    forge.check(lower, body, secrets)
    payload = _payload(lower, body)
    refs = forge.refs(lower, payload)
    is_pull = refs is None and forge.is_pull(lower, payload)
    if refs is None and not is_pull:
        return None
    urls = tuple(dict.fromkeys(_urls(payload)))
    if not urls:
        raise InvalidInput("the push names no repository", reason="InvalidWebhook")
    return PushEvent(urls, refs if refs and len(refs) <= _MAX_REFS else (), is_pull)


# --- is it really the forge? --------------------------------------------------------------------------------------------


def _signed(forge: str, signature: str, *secret_names: str) -> Callable[[Headers, bytes, Secrets], None]:
    """HMAC-SHA256 of the body, in hex, in one of the headers `signature`."""

    def check(headers: Headers, body: bytes, secrets: Secrets) -> None:
        secret = next((secrets[name] for name in secret_names if secrets.get(name)), "")
        given = next((headers[name] for name in signature.split() if headers.get(name)), "")
        wanted = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        if secret and not _same(given.strip().removeprefix("sha256=").lower(), wanted):
            raise _denied(forge, "signature")

    return check


def _told(forge: str, header: str, secret_name: str) -> Callable[[Headers, bytes, Secrets], None]:
    """The secret itself, in a header."""

    def check(headers: Headers, body: bytes, secrets: Secrets) -> None:
        secret = secrets.get(secret_name, "")
        if secret and not _same(headers.get(header, ""), secret):
            raise _denied(forge, header)

    return check


def _azure_login(headers: Headers, body: bytes, secrets: Secrets) -> None:
    login = f"{secrets.get('webhook.azuredevops.username', '')}:{secrets.get('webhook.azuredevops.password', '')}"
    wanted = "Basic " + base64.b64encode(login.encode()).decode()
    if login != ":" and not _same(headers.get("authorization", ""), wanted):
        raise _denied("Azure DevOps", "login")


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())


def _denied(forge: str, what: str) -> Denied:
    return Denied(
        f"the {what} of this {forge} webhook does not match: give the forge and argocd-secret the same secret",
        reason="WebhookSignature",
    )


# --- what moved? --------------------------------------------------------------------------------------------------------


def _one_ref(header: str) -> Callable[[Headers, Payload], tuple[str, ...] | None]:
    """GitHub and its relatives: the event in a header, one ref a push."""
    return lambda headers, payload: _ref_of(payload) if headers.get(header) == "push" else None


def _pull_in(header: str) -> Callable[[Headers, Payload], bool]:
    """GitHub and its relatives; Gitea has an event for each thing that happens to a pull request."""
    return lambda headers, _: headers.get(header, "").startswith("pull_request")


def _is_merge_request(_: Headers, payload: Payload) -> bool:
    return payload.get("object_kind") == "merge_request"


def _gitlab(headers: Headers, payload: Payload) -> tuple[str, ...] | None:
    return _ref_of(payload) if payload.get("object_kind", payload.get("event_name")) in ("push", "tag_push") else None


def _ref_of(payload: Payload) -> tuple[str, ...]:
    ref = payload.get("ref")
    if not isinstance(ref, str) or not ref:
        raise InvalidInput("the push names no ref", reason="InvalidWebhook")
    return (ref,)


def _bitbucket_cloud(headers: Headers, payload: Payload) -> tuple[str, ...] | None:
    if headers.get("x-event-key") != "repo:push":
        return None
    sides = [side for change in _list(payload, "push", "changes") for name in ("new", "old") if (side := _dict(change, name))]
    kinds = {"branch": "refs/heads/", "named_branch": "refs/heads/", "tag": "refs/tags/"}
    return tuple(dict.fromkeys(kinds.get(str(side.get("type")), "") + str(side.get("name", "")) for side in sides))


def _bitbucket_server(headers: Headers, payload: Payload) -> tuple[str, ...] | None:
    if headers.get("x-event-key") != "repo:refs_changed":
        return None
    return tuple(str(_dict(change, "ref").get("id", "")) for change in _list(payload, "changes"))


def _azure(headers: Headers, payload: Payload) -> tuple[str, ...] | None:
    if payload.get("eventType") != "git.push":
        return None
    return tuple(str(update.get("name", "")) for update in _list(payload, "resource", "refUpdates"))


FORGES = (
    Forge("Azure DevOps", "x-vss-activityid", _azure_login, _azure),
    # Gitea sends GitHub's and Gogs' headers too, and Argo CD knows it by the name of its ancestor.
    Forge(
        "Gitea",
        "x-gitea-event",
        _signed("Gitea", "x-gitea-signature", "webhook.gitea.secret", "webhook.gogs.secret"),
        _one_ref("x-gitea-event"),
        _pull_in("x-gitea-event"),
    ),
    Forge("Gogs", "x-gogs-event", _signed("Gogs", "x-gogs-signature", "webhook.gogs.secret"), _one_ref("x-gogs-event")),
    Forge(
        "GitHub",
        "x-github-event",
        _signed("GitHub", "x-hub-signature-256", "webhook.github.secret"),
        _one_ref("x-github-event"),
        _pull_in("x-github-event"),
    ),
    Forge("GitLab", "x-gitlab-event", _told("GitLab", "x-gitlab-token", "webhook.gitlab.secret"), _gitlab, _is_merge_request),
    Forge("Bitbucket", "x-hook-uuid", _told("Bitbucket", "x-hook-uuid", "webhook.bitbucket.uuid"), _bitbucket_cloud),
    Forge(
        "Bitbucket Server",
        "x-event-key",
        _signed("Bitbucket Server", "x-hub-signature", "webhook.bitbucketserver.secret"),
        _bitbucket_server,
    ),
)
"""In the order in which they are looked for (Argo CD's)."""


# --- the body -----------------------------------------------------------------------------------------------------------


def _payload(headers: Headers, body: bytes) -> Payload:
    try:
        if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            body = parse_qs(body.decode(), strict_parsing=True)["payload"][0].encode()
        payload = orjson.loads(body)
    except (ValueError, KeyError):
        raise InvalidInput(
            "the webhook's body is not JSON: choose the content type application/json", reason="InvalidWebhook"
        ) from None
    if not isinstance(payload, dict):
        raise InvalidInput("the webhook's body is not a JSON object", reason="InvalidWebhook")
    return payload


def _urls(payload: Payload) -> Iterator[str]:
    """Every URL of the repository that a push names."""
    for place in (_dict(payload, "repository"), _dict(payload, "project"), _dict(payload, "resource", "repository")):
        links = _dict(place, "links")
        named = [place.get(name) for name in _URLS] + [_dict(links, "html").get("href")]
        named += [link.get("href") for link in _list(links, "clone")]
        yield from (url for url in named if isinstance(url, str) and url)


def _dict(value: Payload, *path: str) -> Payload:
    for name in path:
        found = value.get(name)
        value = found if isinstance(found, dict) else {}
    return value


def _list(value: Payload, *path: str) -> list[Payload]:
    found = _dict(value, *path[:-1]).get(path[-1])
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
