"""The query of a request, read into values and checked as the API server checks it."""

from collections.abc import Iterable
from typing import Any, Literal

from msgspec import Struct

from shipway.kube.objects.resource import Obj
from shipway.kube.objects.wire import Request
from shipway.localcluster.apiserver.gotypes import WrongType, normal_form
from shipway.localcluster.apiserver.negotiation import decode_body
from shipway.localcluster.apiserver.problems import (
    FieldProblem,
    Named,
    bad_request,
    forbidden_field,
    invalid,
    invalid_value,
    not_supported,
    required,
)

FieldValidation = Literal["Ignore", "Warn", "Strict"]
Propagation = Literal["", "Orphan", "Background", "Foreground"]
_META = "meta.k8s.io"


class Query:
    """Decoded query parameters; the first of each name counts."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, str] = {}
        for key, value in pairs:
            self._values.setdefault(key, value)

    def text(self, name: str) -> str:
        return self._values.get(name, "")

    def flag(self, name: str) -> bool:
        return self._values.get(name, "").lower() not in ("", "0", "false", "f", "no")

    def number(self, name: str) -> int | None:
        if not (text := self._values.get(name, "")):
            return None
        try:
            return int(text)
        except ValueError:
            raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


class ListOptions(Struct, frozen=True):
    """Of a list or watch. `version` None: not given."""

    labels: str = ""
    fields: str = ""
    version: int | None = None
    match: str = ""
    limit: int = 0
    token: str = ""
    watch: bool = False
    bookmarks: bool = False
    initial_events: bool | None = None
    timeout: int | None = None
    include: str = "Metadata"


class WriteOptions(Struct, frozen=True):
    """Of a create, update or patch. `manager` is already resolved (query, or User-Agent up to the slash).
    `duplicates` are the keys that the body gave twice."""

    dry_run: bool = False
    manager: str = "unknown"
    manager_given: bool = False
    validation: FieldValidation = "Warn"
    force: bool = False
    force_given: bool = False
    duplicates: tuple[str, ...] = ()


class DeleteOptions(Struct, frozen=True):
    """Of a delete or an eviction."""

    dry_run: bool = False
    grace: int | None = None
    uid: str = ""
    version: str = ""
    propagation: Propagation = ""
    orphan_dependents: bool | None = None


def list_options(request: Request) -> ListOptions:
    query = Query(request.query)
    options = ListOptions(
        labels=query.text("labelSelector"),
        fields=query.text("fieldSelector"),
        version=_version(query.text("resourceVersion")),
        match=query.text("resourceVersionMatch"),
        limit=max(0, query.number("limit") or 0),
        token=query.text("continue"),
        watch=query.flag("watch"),
        bookmarks=query.flag("allowWatchBookmarks"),
        initial_events=query.flag("sendInitialEvents") if query.text("sendInitialEvents") else None,
        timeout=query.number("timeoutSeconds"),
        include=query.text("includeObject") or "Metadata",
    )
    if problems := list(_list_problems(options)):
        raise invalid(Named(_META, "", "ListOptions"), problems)
    return options


def _version(text: str) -> int | None:
    if not text:
        return None
    if not text.isascii() or not text.isdigit():
        problem = invalid_value("resourceVersion", text, f'strconv.ParseUint: parsing "{text}": invalid syntax')
        raise bad_request(f"invalid resource version: {problem.field}: {problem.message}")
    return int(text)


def _list_problems(options: ListOptions) -> Iterable[FieldProblem]:
    match, watch = options.match, options.watch
    if match and watch and options.initial_events is None:
        yield forbidden_field(
            "resourceVersionMatch", "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        )
    elif match and match not in ("Exact", "NotOlderThan"):
        yield not_supported("resourceVersionMatch", match, ("Exact", "NotOlderThan", ""))
    elif match and options.version is None and not watch:
        yield forbidden_field("resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided")
    elif match == "Exact" and options.version == 0:
        yield forbidden_field("resourceVersionMatch", 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
    elif match and options.token:
        yield forbidden_field("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided")
    if options.initial_events is not None and not watch:
        yield forbidden_field("sendInitialEvents", "sendInitialEvents is forbidden for list")
    elif options.initial_events is not None and match != "NotOlderThan":
        yield forbidden_field("resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")


def write_options(request: Request, what: str) -> WriteOptions:
    """`what` names the options in refusals: CreateOptions, UpdateOptions or PatchOptions."""
    query = Query(request.query)
    manager, validation = query.text("fieldManager"), query.text("fieldValidation") or "Warn"
    problems: list[FieldProblem] = []
    if validation not in ("Ignore", "Warn", "Strict"):
        problems.append(not_supported("fieldValidation", validation, ("", "Ignore", "Strict", "Warn")))
    if len(manager) > 128:
        problems.append(FieldProblem("fieldManager", "FieldValueTooLong", "Too long: may not be more than 128 bytes"))
    elif not manager.isprintable():
        problems.append(invalid_value("fieldManager", manager, "should only contain printable characters"))
    dry_run = _dry_run([value for key, value in request.query if key == "dryRun"], problems)
    if problems:
        raise invalid(Named(_META, "", what), problems)
    return WriteOptions(
        dry_run=dry_run,
        manager=manager or agent_manager(request.headers.get("user-agent", "")),
        manager_given=bool(manager),
        validation=validation,  # type: ignore[arg-type]
        force=query.flag("force"),
        force_given=bool(query.text("force")),
    )


def check_patch_options(options: WriteOptions, *, is_apply: bool) -> None:
    problems: list[FieldProblem] = []
    if is_apply and not options.manager_given:
        problems.append(required("fieldManager", "is required for apply patch"))
    if not is_apply and options.force_given:
        problems.append(forbidden_field("force", "may not be specified for non-apply patch"))
    if problems:
        raise invalid(Named(_META, "", "PatchOptions"), problems)


def agent_manager(user_agent: str) -> str:
    """The manager of a write that names none: User-Agent up to the first slash."""
    return user_agent.split("/")[0][:128] or "unknown"


def _dry_run(values: list[Any], problems: list[FieldProblem]) -> bool:
    if any(value != "All" for value in values):
        problems.append(not_supported("dryRun", values, ("All",)))
    return bool(values)


def delete_options(request: Request) -> DeleteOptions:
    """From the body (JSON, YAML or protobuf) or else from the query."""
    body = read_delete_body(request)
    query = Query(request.query)
    if not body:
        body = {
            "gracePeriodSeconds": query.number("gracePeriodSeconds"),
            "propagationPolicy": query.text("propagationPolicy"),
            "dryRun": [value for key, value in request.query if key == "dryRun"],
            "orphanDependents": query.flag("orphanDependents") if query.text("orphanDependents") else None,
        }
    return parse_delete_options(body)


def read_delete_body(request: Request) -> Obj:
    if not request.body:
        return {}
    body = decode_body(request.body, request.headers.get("content-type", ""), "v1", "DeleteOptions")
    if not isinstance(body, dict):
        raise bad_request("the body of a delete must be DeleteOptions")
    if (found := body.get("kind") or "DeleteOptions") != "DeleteOptions":
        raise bad_request(f"the object provided is unrecognized (must be of type DeleteOptions): it is a {found}")
    try:
        return normal_form(body, "v1", "DeleteOptions")
    except WrongType as error:
        raise bad_request(str(error)) from None


def parse_delete_options(body: Obj) -> DeleteOptions:
    problems: list[FieldProblem] = []
    policy, orphan = body.get("propagationPolicy") or "", body.get("orphanDependents")
    if policy not in ("", "Orphan", "Background", "Foreground"):
        supported = ("Foreground", "Background", "Orphan", "nil")
        problems.append(not_supported("propagationPolicy", policy, supported))
    if policy and orphan is not None:
        problems.append(
            invalid_value("propagationPolicy", policy, "orphanDependents and deletionPropagation cannot be both set")
        )
    preconditions = body.get("preconditions") or {}
    dry_run = _dry_run(body.get("dryRun") or [], problems)
    if problems:
        raise invalid(Named(_META, "", "DeleteOptions"), problems)
    grace = body.get("gracePeriodSeconds")
    return DeleteOptions(
        dry_run=dry_run,
        grace=max(grace, 1) if grace is not None and grace < 0 else grace,
        uid=preconditions.get("uid") or "",
        version=preconditions.get("resourceVersion") or "",
        propagation=policy or ("Orphan" if orphan else ""),
        orphan_dependents=orphan,
    )
