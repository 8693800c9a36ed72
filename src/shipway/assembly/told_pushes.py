"""Pushes as replicas that share the work tell one another of them: a webhook reaches only one of them."""

import msgspec

from shipway.adapters.git.urls import redact
from shipway.server.webhook import PushEvent

MAX_REFS = 20


def word_of(event: PushEvent) -> str:
    """What is told, without logins in the URLs. Of many refs none is named: it may be any."""
    refs = event.refs if len(event.refs) <= MAX_REFS else ()
    told = PushEvent(tuple(map(redact, event.repo_urls)), refs, event.is_pull_request)
    return msgspec.json.encode(told).decode()


def event_in(word: str) -> PushEvent | None:
    """What was told; None for what another version of Shipway may mean."""
    try:
        return msgspec.json.decode(word, type=PushEvent)
    except msgspec.DecodeError:
        return None
