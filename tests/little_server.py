"""The API server's rules for one object, as pure functions: apply, update, and what a dry run answers.

Tables and laws over ownership need a live object with true managedFields; this makes them from the same functions that the
embedded API server uses, without a server around them.
"""

from collections.abc import Callable

from shipway.base.clock import Instant
from shipway.base.errors import Conflict, ShipwayError
from shipway.gitops.asks import DryRunAsk
from shipway.kube.objects.apply import Writer, record_update, server_side_apply
from shipway.kube.objects.resource import Obj, split_api_version
from shipway.kube.objects.schema import DEDUCED, Schema, builtin_schema, crd_schema
from shipway.kube.objects.views import copy_obj, resource_version_of
from shipway.kube.runtime.decision import Answer

ROUTE_SCHEMA = crd_schema(
    {
        "type": "object",
        "properties": {
            "metadata": {"type": "object"},
            "spec": {
                "type": "object",
                "properties": {
                    "hostnames": {"type": "array", "x-kubernetes-list-type": "atomic", "items": {"type": "string"}},
                    "rules": {
                        "type": "array",
                        "x-kubernetes-list-type": "atomic",
                        "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                    },
                },
            },
        },
    }
)


def schema_of(obj: Obj) -> Schema:
    if obj.get("kind") == "HTTPRoute":
        return ROUTE_SCHEMA
    group, version = split_api_version(obj["apiVersion"])
    return builtin_schema(group, version, obj["kind"]) or DEDUCED


class LittleServer:
    """One object; `version` counts its changes."""

    def __init__(self) -> None:
        self.live: Obj | None = None
        self.version = 0
        self.time = 1_790_000_000.0

    def apply(self, obj: Obj, manager: str) -> Obj:
        """A forced server-side apply. Raises Conflict when it states another resourceVersion than the live one."""
        self._store(self._applied(obj, manager))
        assert self.live is not None
        return self.live

    def create(self, obj: Obj, manager: str) -> None:
        """A plain POST."""
        self._store(record_update(None, copy_obj(obj), self._writer(manager, obj)))

    def update(self, manager: str, change: Callable[[Obj], None]) -> None:
        """Any other write: `change` edits a copy in place."""
        assert self.live is not None
        after = copy_obj(self.live)
        change(after)
        self.time += 1
        self._store(record_update(self.live, after, self._writer(manager, after)))

    def answer(self, ask: DryRunAsk) -> Answer:
        """What a dry-run resolver would answer."""
        try:
            return Answer(value=self._applied(ask.obj, ask.manager))
        except ShipwayError as error:
            return Answer(error=error)

    def _applied(self, obj: Obj, manager: str) -> Obj:
        self.time += 1
        wanted = resource_version_of(obj)
        if self.live is not None and wanted and wanted != resource_version_of(self.live):
            raise Conflict("the object has been modified; please apply your changes to the latest version and try again")
        config = copy_obj(obj)
        config["metadata"].pop("resourceVersion", None)
        return server_side_apply(self.live, config, self._writer(manager, obj), finish=lambda result: result, force=True)

    def _writer(self, manager: str, obj: Obj) -> Writer:
        return Writer(manager, obj["apiVersion"], schema_of(obj), Instant(self.time))

    def _store(self, obj: Obj) -> None:
        if obj == self.live:
            return
        self.version += 1
        stored = copy_obj(obj)
        stored["metadata"]["resourceVersion"] = str(self.version)
        self.live = stored
