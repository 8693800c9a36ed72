"""`shipway app set`: changes an Application by the flags that create one. What no flag speaks of stays as it is.

With `--for` a revision is followed for a while only: that is a hold (`gitops/hold.py`), and the spec stays as it is.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from shipway.api.application import parse_spec
from shipway.api.kinds import APPLICATIONS
from shipway.base.clock import Instant, rfc3339
from shipway.base.errors import InvalidInput
from shipway.cli.app import find_app
from shipway.cli.app_create import check_allowed, joined
from shipway.cli.app_spec import SpecFlags, application_from, overlaid
from shipway.cli.durations import Duration
from shipway.cli.files import text_of
from shipway.cli.output import Output, OutputFlag, print_object
from shipway.cli.reasons import ReasonFlag, check_reason, person, told
from shipway.cli.sending import send, unbeaten
from shipway.cli.session import Place, Session, connected
from shipway.gitops.annotations import HOLD
from shipway.gitops.hold import annotation, hold_on
from shipway.gitops.pinned import spec_sources, target_of
from shipway.gitops.source import check_spec
from shipway.kube.objects.patches import merge_diff, merge_patch, with_annotations
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import metadata, spec_of

PARTS = ("metadata", "spec")


@Parameter(name="*")
@dataclass(frozen=True)
class WhileFlags:
    """For how long."""

    seconds: Annotated[Duration, Parameter(name="--for", show_default=False)] = 0.0
    """Follow --revision only for so long, like 24h; then what the Application says counts again. It stays unchanged meanwhile,
    so whatever manages it from Git does not undo this."""
    reason: ReasonFlag = ""
    "Why; it is kept in the ledger, and with --for everybody sees it."


async def set_command(
    name: str,
    /,
    *,
    spec: SpecFlags | None = None,
    passing: WhileFlags | None = None,
    output: OutputFlag = "name",
    place: Place | None = None,
) -> int:
    """Change the Application: another revision (with --for only for a while), parameters, images, the sync policy.

    Parameters
    ----------
    name
        The Application.
    output
        json, yaml or name.
    """
    flags, how = spec or SpecFlags(), passing or WhileFlags()
    if how.seconds:
        refuse_others(flags)
    async with connected(place) as session:
        if how.seconds:
            return await follow_for(session, name, flags.revision, how, output)
        return await set_spec(session, name, flags, output, how.reason)


def refuse_others(flags: SpecFlags) -> None:
    """Raises InvalidInput for flags that cannot count for a while only."""
    if not flags.revision or flags != SpecFlags(revision=flags.revision):
        raise InvalidInput("--for is for --revision alone: everything else is changed until it is changed again")


async def set_spec(session: Session, name: str, flags: SpecFlags, output: Output = "name", reason: str = "") -> int:
    """One write. Raises InvalidInput for what the engine would refuse, where no flag says anything, and where a reason is
    missing."""
    stated = application_from(flags, text_of(Path(flags.values_literal_file)) if flags.values_literal_file else "")
    if not stated and flags.sync_policy is None:
        raise InvalidInput("say what to change, like --revision v1.2 or --helm-set image.tag=v2")

    async def write(there: Obj) -> Obj:
        wanted = _changed(there, stated, flags)
        check_spec(parse_spec(wanted))
        await check_allowed(session, wanted)
        patch = merge_diff({key: there[key] for key in PARTS}, {key: wanted[key] for key in PARTS})
        await check_reason(session, there, reason)
        if patch:
            patch = with_annotations(patch, told(session, there, "set", reason, changes_in(there, patch)))
        return await send(session.client, APPLICATIONS, there, patch, {})

    print_object(await unbeaten(name, lambda: find_app(session, name), write), output)
    return 0


async def follow_for(session: Session, name: str, revision: str, how: WhileFlags, output: Output = "name") -> int:
    """One write of a hold that ends by itself: the spec stays as it is."""
    application = await find_app(session, name)
    if spec_of(application).get("sources"):
        raise InvalidInput(f"{name} has several sources: set spec.sources[].targetRevision in its manifest")
    await check_reason(session, application, how.reason)
    now = session.clock.now()
    until = rfc3339(Instant(now + how.seconds))
    hold = hold_on(application, revision, since=rfc3339(now), until=until, by=person(), reason=how.reason)

    async def write(there: Obj) -> Obj:
        annotations = {HOLD: annotation(hold), **told(session, there, "hold", how.reason, f"at {revision} until {until}")}
        return await send(session.client, APPLICATIONS, there, {"metadata": {"annotations": annotations}}, {})

    written = await unbeaten(name, lambda: find_app(session, name), write, seen=application)
    print(f"{name} follows {revision} until {until}: `shipway app resume {name}` ends it", file=sys.stderr)
    print_object(written, output)
    return 0


def changes_in(app: Obj, patch: Obj) -> str:
    """Which fields a patch changes, without their values: some of them may be secret. Of revisions the values too."""
    found = sorted(".".join(path) for path in paths_in(patch))
    old = {target_of(source) for source in spec_sources(app)[0]}
    new = {target_of(source) for source in spec_sources({"spec": merge_patch(spec_of(app), patch.get("spec") or {})})[0]}
    moved = f": {', '.join(sorted(old))} -> {', '.join(sorted(new))}" if old != new else ""
    return f"{', '.join(found)}{moved}"


def paths_in(patch: Obj, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of what is no object."""
    for key, value in patch.items():
        if isinstance(value, dict) and value:
            yield from paths_in(value, (*above, key))
        else:
            yield (*above, key)


def _changed(app: Obj, stated: Obj, flags: SpecFlags) -> Obj:
    """`--sync-policy none` turns automated sync off, and a cluster by name takes the place of one by URL."""
    spec = overlaid(spec_of(app), stated.get("spec") or {})
    if flags.sync_policy in ("none", "manual"):
        policy = {key: value for key, value in (spec.get("syncPolicy") or {}).items() if key != "automated"}
        spec = {**spec, "syncPolicy": policy}
    for given, other in (("dest_name", "server"), ("dest_server", "name")):
        if getattr(flags, given):
            spec = {**spec, "destination": {key: value for key, value in spec["destination"].items() if key != other}}
    return {**app, "spec": spec, "metadata": joined(metadata(app), stated.get("metadata") or {})}
