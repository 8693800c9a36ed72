"""What the analysis engine asks the outside: one measurement, named by run, metric and number."""

import orjson

from shipway.api.metrics import MeasureRequest
from shipway.kube.runtime.decision import Ask


class MeasureAsk(Ask, frozen=True):
    """The `number`th try at measuring `metric` of the run with `run_uid`; the next try is another ask."""

    run_uid: str
    metric: str
    number: int
    request: MeasureRequest

    @property
    def lane(self) -> str:
        """Metric servers by address or login, so that one which hangs delays only the runs that ask it."""
        provider = orjson.loads(self.request.provider)
        kind = next(iter(provider), "")
        settings = provider.get(kind) or {}
        return f"{kind} {settings.get('address') or settings.get('profile') or _origin(settings.get('url') or '')}"


def _origin(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])
