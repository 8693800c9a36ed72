"""What people and clients wrote on an Application, read: a part that cannot be read is a sentence and no part."""

from collections.abc import Callable
from typing import TypeVar

from msgspec import Struct

from shipway.api.application import ApplicationSpec, Operation, parse_operation, parse_spec
from shipway.base.errors import InvalidInput
from shipway.gitops.hold import Hold, hold_of
from shipway.gitops.source import check_spec
from shipway.kube.objects.resource import Obj

Part = TypeVar("Part")


class Written(Struct, frozen=True):
    """Each part is None where it is not there or cannot be read; then its error says why."""

    spec: ApplicationSpec | None
    operation: Operation | None
    hold: Hold | None
    spec_error: str
    operation_error: str
    hold_error: str


def written_on(app: Obj) -> Written:
    spec, spec_error = _read(app, _spec)
    operation, operation_error = _read(app, _operation)
    hold, hold_error = _read(app, hold_of)
    return Written(spec, operation, hold, spec_error, operation_error, hold_error)


def _read(app: Obj, read: Callable[[Obj], Part | None]) -> tuple[Part | None, str]:
    try:
        return read(app), ""
    except InvalidInput as error:
        return None, error.message


def _spec(app: Obj) -> ApplicationSpec:
    spec = parse_spec(app)
    check_spec(spec)
    return spec


def _operation(app: Obj) -> Operation | None:
    raw = app.get("operation")
    return parse_operation(raw) if raw else None
