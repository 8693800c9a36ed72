"""What a forge's push webhook says, as one value: GitHub, GitLab, Gitea (and Gogs, Forgejo).

A push names its repository by several URLs; all are given, and whoever knows repositories compares them normalised. The
paths it names are a hint, absent when the forge cut the list short or history was rewritten. Signatures are compared in
constant time. A forge whose secret is not configured is believed: a webhook can only cause one more look at a repository.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

import orjson
from msgspec import Struct

from shipway.base.errors import Denied, InvalidInput

GITHUB_SECRET = "webhook.github.secret"
GITLAB_SECRET = "webhook.gitlab.secret"
GITEA_SECRETS = ("webhook.gitea.secret", "webhook.gogs.secret")
"""Keys of `secrets`, spelled as in Argo CD's Secret `argocd-secret`; it knows Gitea by its ancestor's name."""

_URLS = ("clone_url", "ssh_url", "html_url", "git_url", "git_http_url", "git_ssh_url", "http_url", "url", "homepage", "web_url")


class PushEvent(Struct, frozen=True):
    """A ref of a repository moved. `before` / `after` are "" where it did not exist; `changed_paths` None: not known."""

    repo_urls: tuple[str, ...]
    ref: str
    before: str
    after: str
    changed_paths: tuple[str, ...] | None


def parse_push(headers: Mapping[str, str], body: bytes, secrets: Mapping[str, str]) -> PushEvent | None:
    """The push that a delivery tells of; None for any other event. Header names in any case.

    Raises `Denied` (WebhookSignature) for a wrong or missing signature where a secret is configured, `InvalidInput`
    (InvalidWebhook) for what is no delivery of a forge we know.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    if "x-gitea-event" in lower or "x-gogs-event" in lower:
        signature = lower.get("x-gitea-signature") or lower.get("x-gogs-signature", "")
        _check_hmac(body, signature, _first(secrets, GITEA_SECRETS), "Gitea")
        return _push(_payload(lower, body)) if lower.get("x-gitea-event", lower.get("x-gogs-event")) == "push" else None
    if "x-github-event" in lower:
        signature = lower.get("x-hub-signature-256", "").removeprefix("sha256=")
        _check_hmac(body, signature, _first(secrets, (GITHUB_SECRET,)), "GitHub")
        return _push(_payload(lower, body)) if lower["x-github-event"] == "push" else None
    if "x-gitlab-event" in lower:
        return _gitlab(lower, body, _first(secrets, (GITLAB_SECRET,)))
    raise InvalidInput(
        "not a webhook of GitHub, GitLab or Gitea: the header X-GitHub-Event, X-Gitlab-Event or X-Gitea-Event is missing",
        reason="InvalidWebhook",
    )


def _gitlab(headers: Mapping[str, str], body: bytes, secret: str) -> PushEvent | None:
    if secret and not hmac.compare_digest(headers.get("x-gitlab-token", "").encode(), secret.encode()):
        raise _denied("GitLab", "X-Gitlab-Token")
    payload = _payload(headers, body)
    return _push(payload) if payload.get("object_kind", payload.get("event_name")) in ("push", "tag_push") else None


def _first(secrets: Mapping[str, str], names: Sequence[str]) -> str:
    return next((secrets[name] for name in names if secrets.get(name)), "")


def _check_hmac(body: bytes, signature: str, secret: str, forge: str) -> None:
    if not secret:
        return
    wanted = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(wanted.encode(), signature.strip().lower().encode()):
        raise _denied(forge, "signature")


def _denied(forge: str, what: str) -> Denied:
    return Denied(
        f"the {what} of this {forge} webhook does not match: give the forge and argocd-secret the same secret",
        reason="WebhookSignature",
    )


def _payload(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
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


def _push(payload: dict[str, Any]) -> PushEvent:
    urls = _repository_urls(payload)
    ref = payload.get("ref")
    if not urls or not isinstance(ref, str) or not ref:
        raise InvalidInput("the push names no repository or no ref", reason="InvalidWebhook")
    before, after = _commit(payload.get("before")), _commit(payload.get("after"))
    return PushEvent(urls, ref, before, after, _changed(payload, before, after))


def _repository_urls(payload: dict[str, Any]) -> tuple[str, ...]:
    places = [place for name in ("repository", "project") if isinstance(place := payload.get(name), dict)]
    found = [place[name] for place in places for name in _URLS if isinstance(place.get(name), str) and place[name]]
    return tuple(dict.fromkeys(found))


def _commit(value: Any) -> str:
    return value if isinstance(value, str) and value.strip("0") else ""


def _changed(payload: dict[str, Any], before: str, after: str) -> tuple[str, ...] | None:
    commits = payload.get("commits")
    if not before or not after or payload.get("forced") or not isinstance(commits, list) or not commits:
        return None
    total = payload.get("total_commits_count", payload.get("total_commits", len(commits)))
    if not isinstance(total, int) or total > len(commits) or len(commits) >= 2048:
        return None
    paths: set[str] = set()
    for commit in commits:
        if not isinstance(commit, dict) or not all(isinstance(commit.get(k), list) for k in ("added", "modified", "removed")):
            return None
        paths.update(str(path) for k in ("added", "modified", "removed") for path in commit[k])
    return tuple(sorted(paths))
