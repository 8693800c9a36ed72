"""LIST: which objects, as of when, and in which portions.

A list shows the store at one version. Pages after the first show the version of the first, by undoing the history since
then; when that version has been forgotten, the client is told to start again (410) and gets a token to go on without
consistency.
"""

import base64
import binascii
from collections.abc import Sequence

import orjson
from msgspec import Struct

from shipway.localcluster.apiserver.backend import Backend
from shipway.localcluster.apiserver.encoding import ListMeta, Look, encode_list
from shipway.localcluster.apiserver.history import Key, Record
from shipway.localcluster.apiserver.options import ListOptions
from shipway.localcluster.apiserver.problems import Refused, bad_request, expired, too_large_version
from shipway.localcluster.apiserver.registry import Kind
from shipway.localcluster.apiserver.selection import Selection

_PATIENCE = 3.0
_STEP = 0.1
TOKEN_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without the "
    "continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with "
    "the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time "
    "the first chunk was returned and now may show up in the list."
)
VERSION_EXPIRED = "The resourceVersion for the provided list is too old."


class Token(Struct, frozen=True):
    """Where the next page starts: after `last`, in the state of `version` (-1: whatever is there)."""

    version: int
    last: Key


def encode_token(token: Token) -> str:
    payload = {"v": "meta.k8s.io/v1", "rv": token.version, "start": f"{token.last[0]}/{token.last[1]}\0"}
    return base64.urlsafe_b64encode(orjson.dumps(payload)).rstrip(b"=").decode()


def decode_token(text: str) -> Token:
    try:
        payload = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        namespace, _, name = payload["start"].rstrip("\0").partition("/")
        return Token(int(payload["rv"]), (namespace, name))
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise bad_request("invalid continue token: continue key is not valid: it was not made by this server") from None


async def await_version(backend: Backend, version: int | None) -> None:
    """A version from the future is waited for a moment. Raises Refused(504)."""
    waited = 0.0
    while version and version > backend.store.version:
        if waited >= _PATIENCE:
            raise too_large_version(version, backend.store.version)
        await backend.clock.sleep(_STEP)
        waited += _STEP


def list_objects(backend: Backend, kind: Kind, selection: Selection, options: ListOptions, look: Look) -> bytes:
    """The encoded list. Raises Refused(410)."""
    records, meta = page(backend, kind, selection, options)
    return encode_list(records, meta, look)


def page(backend: Backend, kind: Kind, selection: Selection, options: ListOptions) -> tuple[Sequence[Record], ListMeta]:
    """The records of one page, and what the list says about itself."""
    shelf = backend.store.shelf(kind.shelf)
    version, after = backend.store.version, None
    if options.token:
        token = decode_token(options.token)
        if options.version:
            raise bad_request("specifying resource version is not allowed when using continue")
        after = token.last
        if token.version >= 0:
            version = token.version
            if version < shelf.history.oldest:
                raise _stale_token(token, backend)
    elif options.match == "Exact" and options.version:
        version = options.version
        if version < shelf.history.oldest:
            raise expired(VERSION_EXPIRED)
    every = shelf.in_order(selection.namespace) if version >= backend.store.version else shelf.at(version, selection.namespace)
    chosen = [record for record in every if (after is None or record.key > after) and selection.matches(record)]
    if not options.limit or len(chosen) <= options.limit:
        return chosen, ListMeta(version)
    rest = len(chosen) - options.limit
    token_text = encode_token(Token(version, chosen[options.limit - 1].key))
    return chosen[: options.limit], ListMeta(version, token_text, None if selection.is_filtered else rest)


def _stale_token(token: Token, backend: Backend) -> Refused:
    refusal = expired(TOKEN_EXPIRED)
    refusal.fresh_token = encode_token(Token(-1, token.last))
    return refusal
