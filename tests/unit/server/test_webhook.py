"""Deliveries of the three forges, signed, forged, cut short and broken."""

import hashlib
import hmac
import json
from urllib.parse import urlencode

import pytest

from shipway.base.errors import Denied, InvalidInput
from shipway.server.webhook import PushEvent, parse_push

BEFORE, AFTER = "a" * 40, "b" * 40
COMMIT = {"id": AFTER, "added": ["new.yaml"], "modified": ["shop/app.yaml"], "removed": []}
REPOSITORY = {"clone_url": "https://git.example.com/o/shop.git", "ssh_url": "git@git.example.com:o/shop.git"}
PUSH = {"ref": "refs/heads/main", "before": BEFORE, "after": AFTER, "repository": REPOSITORY, "commits": [COMMIT]}
EVENT = PushEvent(tuple(REPOSITORY.values()), "refs/heads/main", BEFORE, AFTER, ("new.yaml", "shop/app.yaml"))
GITLAB = {
    "object_kind": "push",
    "ref": "refs/heads/main",
    "before": BEFORE,
    "after": AFTER,
    "project": {"git_http_url": "https://gitlab.example.com/o/shop.git"},
    "commits": [COMMIT],
    "total_commits_count": 1,
}
SECRETS = {"webhook.github.secret": "gh", "webhook.gitlab.secret": "gl", "webhook.gogs.secret": "gt"}


def sign(body: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def delivery(forge: str, payload, secret: str = "", event: str = "push") -> tuple[dict[str, str], bytes]:
    body = json.dumps(payload).encode()
    if forge == "github":
        return {"X-GitHub-Event": event, "X-Hub-Signature-256": f"sha256={sign(body, secret)}"}, body
    if forge == "gitea":
        return {"X-GitHub-Event": event, "X-Gitea-Event": event, "X-Gitea-Signature": sign(body, secret)}, body
    return {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": secret}, body


@pytest.mark.parametrize(("forge", "secret"), [("github", "gh"), ("gitea", "gt")])
def test_a_signed_push(forge, secret):
    assert parse_push(*delivery(forge, PUSH, secret), SECRETS) == EVENT


def test_a_push_of_gitlab():
    event = parse_push(*delivery("gitlab", GITLAB, "gl"), SECRETS)
    assert event is not None
    assert event.repo_urls == ("https://gitlab.example.com/o/shop.git",)
    assert event.changed_paths == EVENT.changed_paths


@pytest.mark.parametrize("forge", ["github", "gitea", "gitlab"])
@pytest.mark.parametrize("secret", ["wrong", ""])
def test_a_forged_delivery_is_denied(forge, secret):
    with pytest.raises(Denied) as caught:
        parse_push(*delivery(forge, GITLAB if forge == "gitlab" else PUSH, secret), SECRETS)
    assert caught.value.reason == "WebhookSignature"


def test_a_missing_signature_is_denied_even_with_strange_characters():
    headers, body = delivery("github", PUSH)
    with pytest.raises(Denied):
        parse_push({**headers, "X-Hub-Signature-256": "sha256=ü"}, body, SECRETS)
    with pytest.raises(Denied):
        parse_push({"X-GitHub-Event": "push"}, body, SECRETS)


def test_without_a_secret_every_delivery_counts():
    assert parse_push(*delivery("github", PUSH, "whatever"), {}) == EVENT


@pytest.mark.parametrize("event", ["ping", "issues"])
def test_other_events_are_nothing(event):
    assert parse_push(*delivery("github", {"zen": "x"}, "gh", event), SECRETS) is None


def test_other_events_of_gitlab_are_nothing():
    assert parse_push(*delivery("gitlab", {"object_kind": "note"}, "gl"), SECRETS) is None


def test_a_form_delivery():
    body = urlencode({"payload": json.dumps(PUSH)}).encode()
    headers = {"x-github-event": "push", "content-type": "application/x-www-form-urlencoded"}
    headers["x-hub-signature-256"] = f"sha256={sign(body, 'gh')}"
    assert parse_push(headers, body, SECRETS) == EVENT


@pytest.mark.parametrize(
    "change",
    [
        {"before": "0" * 40},
        {"after": "0" * 40},
        {"forced": True},
        {"total_commits_count": 30},
        {"commits": []},
        {"commits": [{"id": AFTER}]},
        {"commits": None},
    ],
)
def test_paths_are_unknown_when_the_list_cannot_be_trusted(change):
    event = parse_push(*delivery("github", {**PUSH, **change}), {})
    assert event is not None
    assert event.changed_paths is None


def test_a_new_and_a_deleted_branch_have_an_empty_side():
    event = parse_push(*delivery("github", {**PUSH, "before": "0" * 40}), {})
    assert event is not None
    assert (event.before, event.after) == ("", AFTER)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b"{}"),
        ({"X-GitHub-Event": "push"}, b"not json"),
        ({"X-GitHub-Event": "push"}, b"[1]"),
        ({"X-GitHub-Event": "push"}, b"{}"),
        ({"X-GitHub-Event": "push"}, b'{"ref": 1, "repository": {"clone_url": "x"}}'),
        ({"X-GitHub-Event": "push", "Content-Type": "application/x-www-form-urlencoded"}, b"x"),
        ({"X-Gitlab-Event": "Push Hook"}, b'{"object_kind": "push", "repository": 7}'),
    ],
)
def test_garbage_is_refused(headers, body):
    with pytest.raises(InvalidInput) as caught:
        parse_push(headers, body, {})
    assert caught.value.reason == "InvalidWebhook"
