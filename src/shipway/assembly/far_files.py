"""Answers what a file at a URL says: value files of charts that lie on a web server, as in Argo CD.

No login goes along but what the URL itself names, and no message repeats that one.
"""

from shipway.adapters.git.urls import redact
from shipway.api.metrics import Fetch, HttpCall
from shipway.base.errors import InvalidInput, Unavailable
from shipway.gitops.asks import TextAsk

LARGEST = 1 << 20
"""Bytes of one file: it is part of every render that reads it."""
SECONDS = 30.0


class FarFiles:
    """`fetch` is how the web is asked."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    async def text(self, ask: TextAsk) -> str:
        """Raises `Unavailable` (no answer, or one that may be another one later), InvalidInput for what is no such file."""
        where = redact(ask.url)
        answer = await self._fetch(HttpCall(purpose=f"failed to fetch {where}", url=ask.url, timeout=SECONDS))
        if not answer.is_good:
            raise Unavailable(f"failed to fetch {where}: {answer.status}: correct the URL, or put the file there")
        if len(answer.body) > LARGEST:
            raise InvalidInput(f"{where} is larger than {LARGEST >> 20} MiB: split it", reason="SourceTooLarge")
        try:
            return answer.body.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise InvalidInput(f"{where}: not UTF-8 text: save the file as UTF-8", reason="InvalidYAML") from None
