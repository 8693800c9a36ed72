"""Deliveries of every forge, in the shapes that they send: signed, forged and broken."""

import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from shipway.base.errors import Denied, InvalidInput
from shipway.server.webhook import PushEvent, parse_push

Payload = dict[str, Any]
BEFORE, AFTER = "a" * 40, "b" * 40
MAIN = "refs/heads/main"
PUSH: Payload = {
    "ref": MAIN,
    "before": BEFORE,
    "after": AFTER,
    "repository": {
        "full_name": "o/shop",
        "html_url": "https://git.example.com/o/shop",
        "clone_url": "https://git.example.com/o/shop.git",
        "ssh_url": "git@git.example.com:o/shop.git",
    },
    "commits": [{"id": AFTER, "added": ["new.yaml"], "modified": ["shop/app.yaml"], "removed": []}],
}
GITLAB: Payload = {
    "object_kind": "push",
    "ref": MAIN,
    "project": {"git_http_url": "https://gitlab.example.com/o/shop.git", "git_ssh_url": "git@gitlab.example.com:o/shop.git"},
    "total_commits_count": 1,
}
BITBUCKET: Payload = {
    "repository": {
        "full_name": "o/shop",
        "links": {"html": {"href": "https://bitbucket.org/o/shop"}, "self": {"href": "https://api.bitbucket.org/2.0/x"}},
    },
    "push": {
        "changes": [
            {"new": {"type": "branch", "name": "main", "target": {"hash": AFTER}}, "old": {"type": "branch", "name": "main"}},
            {"new": {"type": "tag", "name": "v1"}, "old": None},
            {"new": None, "old": {"type": "branch", "name": "gone"}},
        ]
    },
}
BITBUCKET_SERVER: Payload = {
    "eventKey": "repo:refs_changed",
    "repository": {
        "slug": "shop",
        "project": {"key": "O"},
        "links": {
            "clone": [
                {"href": "https://bitbucket.example.com/scm/o/shop.git", "name": "http"},
                {"href": "ssh://git@bitbucket.example.com:7999/o/shop.git", "name": "ssh"},
            ],
            "self": [{"href": "https://bitbucket.example.com/projects/O/repos/shop/browse"}],
        },
    },
    "changes": [{"ref": {"id": MAIN, "displayId": "main", "type": "BRANCH"}, "fromHash": BEFORE, "toHash": AFTER}],
}
AZURE: Payload = {
    "eventType": "git.push",
    "resource": {
        "refUpdates": [{"name": MAIN, "oldObjectId": BEFORE, "newObjectId": AFTER}],
        "repository": {"name": "shop", "remoteUrl": "https://dev.azure.com/o/p/_git/shop"},
    },
}
SECRETS = {
    "webhook.github.secret": "gh",
    "webhook.gitlab.secret": "gl",
    "webhook.gogs.secret": "gt",
    "webhook.bitbucket.uuid": "bb",
    "webhook.bitbucketserver.secret": "bs",
    "webhook.azuredevops.username": "az",
    "webhook.azuredevops.password": "ure",
}
SECRET_OF = {
    "github": "gh", "gitea": "gt", "gogs": "gt", "gitlab": "gl", "bitbucket": "bb", "bitbucket server": "bs", "azure": "az:ure",
}  # fmt: skip
PUSH_OF = {
    "github": PUSH,
    "gitea": PUSH,
    "gogs": PUSH,
    "gitlab": GITLAB,
    "bitbucket": BITBUCKET,
    "bitbucket server": BITBUCKET_SERVER,
    "azure": AZURE,
}


def headers_of(forge: str, body: bytes, secret: str, event: str = "push") -> dict[str, str]:
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    login = base64.b64encode(secret.encode()).decode()
    return {
        "github": {"X-GitHub-Event": event, "X-Hub-Signature-256": f"sha256={signature}"},
        "gitea": {"X-GitHub-Event": event, "X-Gogs-Event": event, "X-Gitea-Event": event, "X-Gitea-Signature": signature},
        "gogs": {"X-Gogs-Event": event, "X-Gogs-Signature": signature},
        "gitlab": {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": secret},
        "bitbucket": {"X-Hook-UUID": secret, "X-Event-Key": f"repo:{event}"},
        "bitbucket server": {
            "X-Event-Key": f"repo:{event.replace('push', 'refs_changed')}",
            "X-Hub-Signature": f"sha256={signature}",
        },
        "azure": {"X-Vss-Activityid": "1", "Authorization": f"Basic {login}"},
    }[forge]  # fmt: skip


def delivery(forge: str, payload: Payload, secret: str, event: str = "push") -> tuple[dict[str, str], bytes]:
    body = json.dumps(payload).encode()
    return headers_of(forge, body, secret, event), body


@pytest.mark.parametrize(
    ("forge", "urls", "refs"),
    [
        ("github", ("clone_url", "ssh_url", "html_url"), (MAIN,)),
        ("gitea", ("clone_url", "ssh_url", "html_url"), (MAIN,)),
        ("gogs", ("clone_url", "ssh_url", "html_url"), (MAIN,)),
        ("gitlab", ("https://gitlab.example.com/o/shop.git", "git@gitlab.example.com:o/shop.git"), (MAIN,)),
        ("bitbucket", ("https://bitbucket.org/o/shop",), (MAIN, "refs/tags/v1", "refs/heads/gone")),
        (
            "bitbucket server",
            ("https://bitbucket.example.com/scm/o/shop.git", "ssh://git@bitbucket.example.com:7999/o/shop.git"),
            (MAIN,),
        ),
        ("azure", ("https://dev.azure.com/o/p/_git/shop",), (MAIN,)),
    ],
)
@pytest.mark.compat("argocd:secret.webhooks")
def test_a_push_of_every_forge(forge: str, urls: tuple[str, ...], refs: tuple[str, ...]) -> None:
    named = tuple(PUSH["repository"].get(url, url) for url in urls)
    for secrets in (SECRETS, {}):
        assert parse_push(*delivery(forge, PUSH_OF[forge], SECRET_OF[forge]), secrets) == PushEvent(named, refs)


@pytest.mark.parametrize("forge", PUSH_OF)
@pytest.mark.parametrize("secret", ["wrong", "", "ü"])
@pytest.mark.compat("argocd:secret.webhooks")
def test_a_forged_delivery_is_denied(forge: str, secret: str) -> None:
    with pytest.raises(Denied, match="give the forge and argocd-secret the same secret") as caught:
        parse_push(*delivery(forge, PUSH_OF[forge], secret), SECRETS)
    assert caught.value.reason == "WebhookSignature"


@pytest.mark.parametrize("forge", [forge for forge in PUSH_OF if forge != "bitbucket"])
@pytest.mark.compat("argocd:secret.webhooks")
def test_a_delivery_without_any_proof_is_denied(forge: str) -> None:
    headers, body = delivery(forge, PUSH_OF[forge], SECRET_OF[forge])
    proofs = ("signature", "token", "authorization")
    with pytest.raises(Denied):
        parse_push(
            {name: value for name, value in headers.items() if not any(p in name.lower() for p in proofs)}, body, SECRETS
        )


@pytest.mark.parametrize("forge", ["github", "gitea", "gogs", "bitbucket server"])
def test_a_changed_body_is_denied(forge: str) -> None:
    headers, body = delivery(forge, PUSH_OF[forge], SECRET_OF[forge])
    with pytest.raises(Denied):
        parse_push(headers, body.replace(b"shop", b"shot"), SECRETS)


@pytest.mark.parametrize(
    ("forge", "event", "kind"),
    [
        ("github", "pull_request", ""),
        ("gitea", "pull_request", ""),
        ("gitea", "pull_request_sync", ""),
        ("gitea", "pull_request_label", ""),
        ("gitlab", "Merge Request Hook", "merge_request"),
    ],
)
@pytest.mark.compat("argocd:appset.pullRequest")
def test_a_pull_request_is_told_of_with_its_repository(forge: str, event: str, kind: str) -> None:
    payload = {**PUSH_OF[forge], "object_kind": kind, "action": "opened"}
    told = parse_push(*delivery(forge, payload, SECRET_OF[forge], event), SECRETS)
    assert told is not None and told.is_pull_request and told.refs == ()
    assert any("shop" in url for url in told.repo_urls)
    with pytest.raises(Denied):
        parse_push(*delivery(forge, payload, "wrong", event), SECRETS)


@pytest.mark.parametrize("forge", PUSH_OF)
def test_other_events_are_nothing(forge: str) -> None:
    other = {"object_kind": "note", "eventType": "workitem.created", "zen": "x"}
    assert parse_push(*delivery(forge, other, SECRET_OF[forge], "ping"), SECRETS) is None


def test_a_form_delivery() -> None:
    body = urlencode({"payload": json.dumps(PUSH)}).encode()
    headers = {**headers_of("github", body, "gh"), "content-type": "application/x-www-form-urlencoded"}
    event = parse_push(headers, body, SECRETS)
    assert event is not None
    assert event.refs == (MAIN,)


def test_a_push_of_very_many_refs_is_news_to_everybody() -> None:
    changes = [{"ref": {"id": f"refs/tags/{n}"}} for n in range(1001)]
    event = parse_push(*delivery("bitbucket server", {**BITBUCKET_SERVER, "changes": changes}, "bs"), SECRETS)
    assert event is not None
    assert event.refs == ()


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b"{}"),
        ({"X-GitHub-Event": "push"}, b"not json"),
        ({"X-GitHub-Event": "push"}, b"[1]"),
        ({"X-GitHub-Event": "push"}, b"{}"),
        ({"X-GitHub-Event": "push"}, b'{"ref": "refs/heads/main", "repository": {"clone_url": 7}}'),
        ({"X-GitHub-Event": "push"}, b'{"ref": 1, "repository": {"clone_url": "x"}}'),
        ({"X-GitHub-Event": "push", "Content-Type": "application/x-www-form-urlencoded"}, b"x"),
        ({"X-Gitlab-Event": "Push Hook"}, b'{"object_kind": "push", "repository": 7}'),
        ({"X-Hook-UUID": "1", "X-Event-Key": "repo:push"}, b'{"push": {"changes": [1, null]}, "repository": []}'),
        ({"X-Event-Key": "repo:refs_changed"}, b'{"changes": {}, "repository": {"links": {"clone": [1]}}}'),
        ({"X-Vss-Activityid": "1"}, b'{"eventType": "git.push", "resource": []}'),
    ],
)
def test_garbage_is_refused(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_push(headers, body, {})
    assert caught.value.reason == "InvalidWebhook"
