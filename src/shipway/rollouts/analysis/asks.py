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
        if kind == "plugin":
            return f"plugin {next(iter(settings), '')}"
        return f"{kind} {settings.get('address') or settings.get('profile') or _origin(settings.get('url') or '')}"

    def plugin_request(self, config: object) -> bytes:
        """The JSON document that a MetricPlugin is given. The id is that of the measurement, also while it is resumed."""
        measurement = self.request.measurement
        said = {
            "apiVersion": "shipway.dev/v1alpha1",
            "kind": "MetricPlugin",
            "op": self.request.op,
            "id": f"{self.run_uid}.{self.metric}.{self.number}",
            "run": {"namespace": self.request.namespace, "uid": self.run_uid},
            "metric": self.metric,
            "number": self.number,
            "config": config,
            "measurement": orjson.loads(measurement) if measurement else None,
        }
        return orjson.dumps(said)


def _origin(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])
