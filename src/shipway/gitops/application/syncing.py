"""One pass of the running operation: from where it stands to what is done next.

`progress` is called twice per pass: before the actions (then its batches are executed) and, by `conclude`, after their outcomes
have been recorded as rows (then it says what to write down). Both times it is the same pure function.
"""

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from shipway.api.application import Operation, Retry, parse_operation
from shipway.base.clock import Instant, parse_rfc3339
from shipway.gitops.application.namespaces import namespace_item
from shipway.gitops.application.observe import Observed, keeping_of, operation_options
from shipway.gitops.application.refresh import LOOKING, PATIENCE, is_looked_for
from shipway.gitops.application.target import Target
from shipway.gitops.asks import DryRunAsk
from shipway.gitops.auto_sync import is_automated
from shipway.gitops.comparison import Comparison, Item
from shipway.gitops.confirmation import is_confirmed
from shipway.gitops.dependencies import waiting_for
from shipway.gitops.operation import Begun, begin, belongs, fail_or_retry, finish, operation_id, reason_in, restarted, retry_at
from shipway.gitops.project import DEFAULT, permits_everything, refusal_of
from shipway.gitops.sync.actions import Hand, Versions, batches, begun_hooks, first_alone, force_ask, versions
from shipway.gitops.sync.hooks import named, removal
from shipway.gitops.sync.machine import RUNNING, SUCCEEDED, Done, Pause, Run, Terms, Wait, advance
from shipway.gitops.sync.preflight import Preflight, dry_rows, preflight
from shipway.gitops.sync.rows import Rows, in_order, is_running, read_rows
from shipway.gitops.sync.tasks import Task, build_tasks, taking_back
from shipway.gitops.timing import SYNC_TIMEOUT
from shipway.gitops.windows import BLOCKED, Gate, gate_of
from shipway.kube.objects.resource import Obj, ref_of
from shipway.kube.runtime.decision import Ask, Batch

TERMINATED = "Operation terminated"
AWAITING = "waiting until Git or the history gives it"
UNEXPLAINED = (
    "its project asks for a reason: say it with `--reason TEXT` (shipway app sync) or `--info reason=TEXT` (argocd app sync)"
)
KEEPING = "waiting for the manifests to be kept"


class Acted(Struct, frozen=True):
    """What a pass acts on, remembered until its outcomes are in: by then a watch may have told of them, and nothing would look
    as if it had been to do. `before`: the live versions before the batches."""

    tasks: tuple[Task, ...] = ()
    before: Versions = {}


class Progress(Struct, frozen=True):
    """`state`: the operationState to write. `is_over`: its final phase is in it, and the operation goes."""

    state: Obj
    batches: tuple[Batch, ...] = ()
    asks: tuple[Ask, ...] = ()
    wake: Instant | None = None
    is_over: bool = False
    succeeded: bool = False
    acted: Acted = Acted()
    looks: tuple[Ask, ...] = ()
    """What is asked again, however fresh the last answer is."""


class Work(Struct, frozen=True):
    """The tasks of the operation and the hands that carry them out."""

    tasks: tuple[Task, ...]
    hand: Hand
    terms: Terms
    comparison: Comparison


def progress(observed: Observed, now: Instant, refusal: str = "") -> Progress | None:
    """None: nothing can be said yet (a render or a list is under way). Only called while `operation` is on the object.

    `refusal` says why the application may not be synced at all (its spec, its project).
    """
    state, raw = observed.state, observed.app["operation"]
    retry = observed.operation.retry if observed.operation else Retry()
    if refusal and state.get("phase") != "Terminating":
        told = state if belongs(state, raw) else begin(observed.app, raw, Begun(), now)
        return _over(finish(told, "Error", f"InvalidSpecError: {refusal}", now))
    if not belongs(state, raw):
        return _begin(observed, raw, now)
    if state.get("phase") == "Terminating":
        return _terminate(observed, state, now)
    if (due := times_out(observed)) is not None and now >= due:
        return _terminate(observed, {**state, "phase": "Terminating", "message": _too_long(observed)}, now)
    window = _window(observed, state, now)
    if not window.is_open:
        return Progress({**state, "message": f"{BLOCKED}: {window.reason}"}, wake=window.changes_at)
    due = retry_at(state, retry)
    if due is not None:
        return _next_try(observed, state, due, retry, now)
    target = observed.sync_target
    if target is None or target.is_undecided:
        return None
    if waits := _waits_for_hold(observed, now):
        return Progress({**state, "message": waits})
    if target.stops:
        return _ended(state, retry, "Error", target.stops, now)
    work = work_of(observed)
    return _carry_on(observed, state, work, retry, now) if work else None


def _window(observed: Observed, state: Obj, now: Instant) -> Gate:
    """Whether the project's sync windows let this operation go on."""
    if observed.spec is None or observed.operation is None:
        return Gate()
    is_manual, began = not observed.operation.initiated_by.automated, parse_rfc3339(state["startedAt"])
    return gate_of(observed.project, observed.key.name, observed.spec, now, is_manual=is_manual, began=began)


def work_of(observed: Observed) -> Work | None:
    """The tasks of the running operation; None while the comparison it rests on is not known."""
    operation, comparison = observed.operation, observed.sync_comparison
    if operation is None or operation.sync is None or comparison is None or observed.spec is None:
        return None
    options = operation_options(observed.spec, operation)
    live = {ref_of(one.obj): one for one in observed.live}
    items = named(comparison.items, live, observed.state, observed.context.instance)
    tasks = build_tasks(items, options, operation.sync.resources or (), namespace_item(observed, options, live))
    rows = read_rows(observed.state)
    if options.get("ApplyOutOfSyncOnly") == "true":
        tasks = tuple(task for task in tasks if task.writes or task.row_key in rows)
    else:
        tasks = taking_back(tasks, observed.context)
    tries = int(observed.state.get("retryCount") or 0)
    hand = Hand(observed.context, options, operation_id(observed.state), tries)
    return Work(tasks, hand, Terms(operation.sync.prune, options), comparison)


def _terms(observed: Observed, work: Work, now: Instant) -> Terms:
    """The terms of the operation at this moment."""
    started, settings = observed.state["startedAt"], observed.settings
    pause = Pause(now, parse_rfc3339(started), settings.timing.wave_delay, settings.manager)
    return replace(work.terms, confirmed=is_confirmed(observed.app, started), pause=pause)


def rows_written(state: Obj, rows: Rows, tasks: tuple[Task, ...]) -> Obj:
    """The state with these rows."""
    result = {key: value for key, value in (state.get("syncResult") or {}).items() if key != "resources"}
    return {**state, "syncResult": {**result, **({"resources": in_order(rows, tasks)} if rows else {})}}


def _begin(observed: Observed, raw: Obj, now: Instant) -> Progress | None:
    """Writes the intent, before anything is done."""
    target = observed.sync_target
    if observed.operation_error or observed.operation is None or observed.operation.sync is None:
        message = observed.operation_error or "Invalid operation request: operation.sync is missing"
        return _over(finish(begin(observed.app, raw, Begun(), now), "Error", message, now))
    if problem := _unsupported(observed) or _unexplained(observed):
        return _over(finish(begin(observed.app, raw, Begun(), now), "Error", problem, now))
    if target is None or target.is_undecided or is_looked_for(observed, now):
        return None
    if target.checks.problems and not target.error:  # once it is in order, automated sync goes on as if nobody had tried
        return _over(finish(begin(observed.app, raw, Begun(), now), "Error", target.stops, now))
    state = begin(observed.app, raw, Begun(target.at or target.wanted, target.content, target.tools), now)
    if waits := _waits_for_hold(observed, now):
        return Progress({**state, "message": waits})
    if target.error:
        return _ended(state, observed.operation.retry, "Error", f"ComparisonError: {target.error}", now)
    begun = with_state(observed, state)
    asks = asked_first(begun) if _window(begun, state, now).is_open else ()
    return Progress(state, asks=asks, looks=_looks_elsewhere(observed, target))


def asked_first(begun: Observed) -> tuple[Ask, ...]:
    """What an operation will ask before its first action. It is asked along with writing down its beginning."""
    work, keeping = work_of(begun), keeping_of(begun.app, begun.operation, begun.sync_target)
    return (*(_tried(begun, work)[0].asks if work else ()), *([keeping] if keeping else []))


def begun_by_itself(observed: Observed, operation: Obj, state: Obj) -> Observed:
    """The application as it will be seen once the operation of automated sync is on it."""
    begun, parsed = with_state(observed, state), parse_operation(operation)
    app = {**begun.app, "operation": operation}
    return replace(begun, app=app, operation=parsed, sync_target=observed.target, sync_comparison=observed.comparison)


def with_state(observed: Observed, state: Obj) -> Observed:
    """The application with this `status.operationState`."""
    return replace(observed, app={**observed.app, "status": {**observed.status, "operationState": state}})


def _looks_elsewhere(observed: Observed, target: Target) -> tuple[Ask, ...]:
    """Whoever names another commit than we know of may know of a push that nobody has told us of."""
    tracked = observed.target
    return () if tracked is None or tracked.at is None or tracked.at == target.at else tracked.head_asks


def _waits_for_hold(observed: Observed, now: Instant) -> str:
    """Why the sync to what the application is held at waits; "" where it need not. A hold is a lasting intent: that nobody
    gives its content for a while is no failure."""
    hold, target = observed.hold, observed.sync_target
    if hold is None or hold.is_over(now) or target is None or target is not observed.target or not target.is_away:
        return ""
    return f"{AWAITING}: {target.error}"


def _unsupported(observed: Observed) -> str:
    sync = observed.operation.sync if observed.operation else None
    if sync is None:
        return ""
    if sync.manifests and not sync.dry_run and observed.spec is not None and is_automated(observed.spec):
        return "operation.sync.manifests: automated sync is on and would put Git back: switch it off first, or say dryRun"
    if is_plural := bool(observed.target and observed.target.is_plural):
        wrong = [name for name, value in (("revision", sync.revision), ("source", sync.source)) if value]
    else:
        wrong = [name for name, value in (("revisions", sync.revisions), ("sources", sync.sources)) if value]
    if wrong:
        other = f"{wrong[0]}s" if is_plural else wrong[0].removesuffix("s")
        has = "a list of sources" if is_plural else "one source"
        return f"operation.sync.{wrong[0]}: the application has {has}: say operation.sync.{other}"
    return ""


def _unexplained(observed: Observed) -> str:
    """Why an operation that a person asked for is refused where the project wants to know the reason."""
    operation = observed.operation
    if operation is None or operation.initiated_by.automated or not observed.needs_reason:
        return ""
    return "" if reason_in(observed.app["operation"]) else UNEXPLAINED


def _carry_on(observed: Observed, state: Obj, work: Work, retry: Retry, now: Instant) -> Progress | None:
    rows = read_rows(state)
    is_dry, alone = _is_dry(observed), None
    if is_dry or not rows:
        check, alone = _tried(observed, work)
        if check.is_pending:
            return Progress(state, asks=check.asks)
        if check.rows:
            return _ended(rows_written(state, check.rows, work.tasks), retry, "Failed", check.message, now, asks=check.asks)
        if is_dry:
            tried = rows_written(state, dry_rows(work.tasks, work.terms, work.hand.context), work.tasks)
            return _over(finish(tried, "Succeeded", SUCCEEDED, now))
    if work.comparison.is_pending and not rows:
        return None
    if not rows and observed.family.dependencies.unmet and not (observed.operation and _is_partial(observed.operation)):
        return Progress({**state, "message": waiting_for(observed.family.dependencies)})
    rows = begun_hooks(work.tasks, rows, work.hand.operation)
    rows, step = advance(work.tasks, rows, _terms(observed, work, now))
    written = rows_written(state, rows, work.tasks)
    match step:
        case Run(tasks):
            return Progress(
                {**written, "message": RUNNING},
                batches=batches(tasks, work.hand, alone),
                asks=tuple(ask for task in tasks if (ask := force_ask(task, work.hand))),
                acted=Acted(tasks, versions(tasks)),
            )
        case Wait(message, until):
            return Progress({**written, "message": message}, wake=until)
        case Done(phase, _) if phase == "Succeeded" and not observed.is_kept:
            return Progress({**written, "message": KEEPING})
        case Done(phase, message) if phase == "Succeeded":
            return _over(finish(written, "Succeeded", message, now), succeeded=True)
        case Done(_, message):
            return _ended(written, retry, "Failed", message, now)


def _tried(observed: Observed, work: Work) -> tuple[Preflight, Task | None]:
    """Whether all can be done that is to be done, and what is written alone because nobody asks that of it."""
    alone = None if _is_dry(observed) else first_alone(work.tasks, work.hand, prunes=work.terms.prune)
    return preflight(work.tasks, work.hand, permits_of(observed), alone), alone


def _is_dry(observed: Observed) -> bool:
    return bool(observed.operation and observed.operation.sync and observed.operation.sync.dry_run)


def _is_partial(operation: Operation) -> bool:
    return bool(operation.sync and operation.sync.resources)


def _terminate(observed: Observed, state: Obj, now: Instant) -> Progress:
    """A client asked to stop, or it took too long: running hooks are deleted, what was applied stays. Over once those hooks are
    on their way."""
    work, rows = work_of(observed), read_rows(state)
    running = [task for task in (work.tasks if work else ()) if task.is_hook and is_running(rows.get(task.row_key, {}))]
    steps = [actions for task in running if (actions := removal(task.item))]
    if steps:
        user = observed.context.as_user
        return Progress(state, batches=tuple(Batch((one,), "continue", user) for actions in steps for one in actions))
    told = str(state.get("message", ""))
    return _over(finish(state, "Failed", told if told == _too_long(observed) else TERMINATED, now))


def times_out(observed: Observed) -> Instant | None:
    """When the operation that runs has taken as long as one may. It is not tried again then: each further try would be over as
    soon as it began, for the time counts from the first."""
    state, timeout = observed.state, observed.settings.timing.sync_timeout
    runs = timeout > 0 and state.get("phase") == "Running" and bool(observed.app.get("operation"))
    return Instant(parse_rfc3339(state["startedAt"]) + timeout) if runs else None


def _too_long(observed: Observed) -> str:
    return f"{TERMINATED}: it was not done {observed.settings.timing.sync_timeout:g} s after its start ({SYNC_TIMEOUT})"


def _next_try(observed: Observed, state: Obj, due: Instant, retry: Retry, now: Instant) -> Progress:
    """Waits for the time of the next try. An automated operation gives way to newer content instead."""
    tracked = observed.target
    is_old = observed.operation is not None and observed.operation.initiated_by.automated and _is_outdated(observed)
    if is_old:
        return _over(finish(state, "Failed", str(state.get("message", "")).split(". Retrying")[0], now))
    if now < due:
        return Progress(state, wake=due)
    if not retry.refresh or tracked is None or not _has_branches_of(observed.sync_target, tracked):
        return Progress(restarted(state, None), wake=now)
    if tracked.asked_at >= due:
        return Progress(restarted(state, tracked.at), wake=now)
    if now < due + LOOKING:  # the last answer may be older than what this operation began with
        return Progress(state, looks=tracked.head_asks, wake=Instant(now + PATIENCE))
    return Progress(restarted(state, None), wake=now)


def _has_branches_of(mine: Target | None, tracked: Target) -> bool:
    """Whether the newest commits of the one are those of the other. Not where the sources were changed since the operation."""

    def branches(target: Target) -> list[tuple[object, object]]:
        return [(source.get("repoURL"), source.get("targetRevision")) for source in target.wanted.sources]

    return mine is not None and branches(mine) == branches(tracked)


def _is_outdated(observed: Observed) -> bool:
    """Whether the tracked revision renders to something else than what this operation applies."""
    tracked, mine = observed.target, observed.sync_target
    return bool(tracked and mine and tracked.is_known and mine.is_known and tracked.content != mine.content)


def _ended(state: Obj, retry: Retry, phase: str, message: str, now: Instant, *, asks: tuple[DryRunAsk, ...] = ()) -> Progress:
    """A try has failed."""
    written = fail_or_retry(state, retry, "Error" if phase == "Error" else "Failed", message, now)
    is_over = written["phase"] != "Running"
    return Progress(written, asks=asks, wake=None if is_over else retry_at(written, retry), is_over=is_over)


def _over(state: Obj, *, succeeded: bool = False) -> Progress:
    return Progress(state, is_over=True, succeeded=succeeded)


def permits_of(observed: Observed) -> Callable[[Task | Item], str]:
    """Why the project refuses an object; the namespace that a sync creates is no object of the application."""
    project, spec = observed.project, observed.spec
    if project is None or spec is None or permits_everything(project):
        return lambda _: ""

    def permits(one: Task | Item) -> str:
        if one.resource is None or (isinstance(one, Task) and one.kind == "namespace"):
            return ""
        return refusal_of(project, spec.project or DEFAULT, one.ref, one.resource.namespaced, spec.destination)

    return permits
