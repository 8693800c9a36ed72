"""Who wrote which field: the server's side of managedFields.

Every write that is not an apply records the fields it changed under its manager; server-side apply does its own bookkeeping
(`patching.py`). What an endpoint ignores is no field of its writer: status on the main endpoint, spec on `/status`.
"""

from functools import cache
from typing import Any

from shipway.base.clock import Instant
from shipway.kube.objects.apply import Writer, record_update
from shipway.kube.objects.field_sets import FieldSet, field_set
from shipway.kube.objects.managed_fields import is_reset
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.scale_ownership import record_scale
from shipway.kube.objects.schema import DEDUCED, Schema, builtin_schema
from shipway.kube.objects.views import metadata
from shipway.localcluster.apiserver.gotypes import normal_form
from shipway.localcluster.apiserver.options import WriteOptions
from shipway.localcluster.apiserver.registry import Kind

_STATUS = field_set("status")
_SPEC = field_set("spec")
_SPEC_AND_LABELS = field_set("spec", "metadata.labels")
_SPEC_AND_METADATA = field_set("spec", "metadata")


def schema_of(kind: Kind) -> Schema:
    """The kind's schema; one without (there is none among the served) would be deduced."""
    if kind.crd:
        return kind.crd.schema
    return builtin_schema(kind.group, kind.version, kind.kind) or DEDUCED


def ignored_fields(kind: Kind, subresource: str) -> FieldSet:
    """The paths that a write through this endpoint does not touch."""
    if subresource == "status":
        if kind.crd:
            return _SPEC_AND_METADATA
        return _SPEC_AND_LABELS if kind.group_kind == ("apps", "Deployment") else _SPEC
    return _STATUS if kind.has_status and not subresource else {}


def wants_reset(kind: Kind, wanted: Any) -> bool:
    """Whether the writer asks to forget all owners: `managedFields: []`, which the decoding of custom resources loses, or
    `[{}]`."""
    if not isinstance(wanted, dict) or not is_reset(wanted):
        return False
    return kind.crd is None or metadata(wanted).get("managedFields") == [{}]


def writer_of(kind: Kind, options: WriteOptions, subresource: str, now: Instant) -> Writer:
    """Who writes, through which endpoint of the kind."""
    ignored = ignored_fields(kind, subresource)
    schema, is_fixed = schema_of(kind), kind.crd is None
    return Writer(options.manager, kind.api_version, schema, now, subresource=subresource, reset=ignored, is_fixed=is_fixed)


@cache
def _blank(api_version: str, kind: str) -> Obj:
    """A built-in object of which nothing is stated: values equal to its are nobody's."""
    return normal_form({"metadata": {}}, api_version, kind)


def record_write(kind: Kind, before: Obj | None, after: Obj, options: WriteOptions, subresource: str, now: Instant) -> Obj:
    """`after` with managedFields that say that the writer changed what differs from `before`."""
    writer = writer_of(kind, options, subresource, now)
    if subresource == "scale" and before is not None and kind.scale is not None:
        return record_scale(before, after, writer, kind.scale.spec)
    blank = None if kind.crd else _blank(kind.api_version, kind.kind)
    return record_update(before, after, writer, blank=blank)
