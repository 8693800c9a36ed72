"""How traffic is to be split now, and what that means for routes and for `status.canary.weights`.

The rules, in order: a promoted template has no canary; an abort gives everything back at once; a canary without an
available pod gets nothing; a full promotion keeps the weight until it is complete; a step that still waits for its pods
keeps the weight of the step before, unless it lowers it. Nothing is moved to stable pods that are not there. (After Argo
Rollouts 1.9, `rollout/trafficrouting.go`; ours lowers a weight before the pods go, and moves traffic back on an abort as
soon as ANY stable pod is available.)
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from msgspec import Struct

from shipway.api.kinds import SERVICES
from shipway.api.rollout import Destination, SetHeaderRoute, Weights
from shipway.kube.objects.owners import controller_ref
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, generation_of, resource_version_of
from shipway.kube.runtime.decision import Action, Batch, Create, Delete, Note, Patch
from shipway.rollouts.rollout.counts import at_wanted_counts
from shipway.rollouts.rollout.effects import NOTHING, Effects, Tied, acting, together
from shipway.rollouts.rollout.experiments import entrances, former_services, shares
from shipway.rollouts.rollout.facts import Facts
from shipway.rollouts.rollout.leaving import freed, lost_services, reach_of, sides
from shipway.rollouts.rollout.names import HASH_LABEL
from shipway.rollouts.rollout.observe import managed_routes
from shipway.rollouts.rollout.spec import Invalid, invalid
from shipway.rollouts.rollout.turns import views
from shipway.rollouts.traffic.router import Edit, MirrorRoute, Router, Seen, Split

NO_SWITCHES: dict[str, str] = {}
WEIGHT_UPDATED = "TrafficWeightUpdated"


class Traffic(Struct, frozen=True):
    """`weights` is what the status will report; None without a router. `effects` are the edits of the routes."""

    weights: Weights | None = None
    effects: Effects = NOTHING
    verified: bool = True


class _Wanted(NamedTuple):
    """`others`: what variants of an Experiment get; stable has the rest."""

    canary: int
    canary_hash: str
    others: tuple[Destination, ...] = ()

    @property
    def taken(self) -> int:
        return self.canary + sum(one.weight for one in self.others)


def plan_traffic(facts: Facts, switched: dict[str, str]) -> Traffic:
    """The split for this pass. `switched`: services whose selector this pass points at another hash."""
    before = facts.status.canary.weights
    if not facts.seen.routers:
        return Traffic()
    wanted = _with_variants(facts, _wanted(facts))
    if wanted is None or not _can_carry(facts, wanted) or _awaits_selector(facts, wanted, switched):
        return Traffic(
            weights=before, verified=wanted is not None and before is not None and before.canary.weight == wanted.canary
        )
    edits, verified = _edits(facts, _split(facts, wanted))
    weights = _reported(facts, wanted, verified)
    notes = _weight_notes(facts, before, weights)
    if edits and not notes and _is_at_rest(facts, switched):
        notes = _restored(facts, edits)
    written = _writing(facts, edits)
    return Traffic(weights, together(written, Effects(notes=notes)), verified=verified is not False)


def agreed(before: Weights | None, parts: Sequence[Traffic]) -> Traffic:
    """What all views of a pass come to: weights are told once, when they are the same everywhere."""
    moved = [part for part in parts if part.weights is not None]
    if len(moved) < 2:
        return moved[0] if moved else Traffic()
    weights = [(part.weights.canary.weight, part.weights.stable.weight) for part in moved if part.weights is not None]
    is_one = len(set(weights)) == 1
    notes = [note for part in moved for note in part.effects.notes if is_one or note.reason != WEIGHT_UPDATED]
    told = {note.reason: note for note in reversed(notes) if note.reason == WEIGHT_UPDATED}
    others = tuple(note for note in notes if note.reason != WEIGHT_UPDATED)
    effects = Effects(notes=(*told.values(), *others))
    return Traffic(moved[0].weights if is_one else before, effects, verified=is_one and all(part.verified for part in moved))


def _wanted(facts: Facts) -> _Wanted | None:
    """The canary's weight; None: leave everything as it is."""
    canary_hash = facts.new.hash if facts.new else ""
    carried = facts.status.canary.weights
    dynamic = facts.canary.dynamic_stable_scale
    if dynamic and facts.is_promoted and carried is not None and facts.new is not None:
        previous = carried.canary.pod_template_hash
        if previous and previous != facts.new.hash and facts.new.available < facts.replicas:
            return _Wanted(_weight_back(facts), previous)
    if facts.is_promoted:
        return _Wanted(0, canary_hash)
    if facts.aborted:
        return _Wanted(_weight_back(facts) if dynamic else 0, canary_hash)
    if facts.new is None or facts.new.available == 0:
        return _Wanted(0, canary_hash)
    if facts.canary.ping_pong is not None and _hash_of(facts.seen.services.get(facts.canary.canary_service)) != facts.new.hash:
        return _Wanted(0, canary_hash)
    if facts.status.promote_full:
        if dynamic:
            return _Wanted(facts.most * facts.new.available // max(facts.replicas, 1), canary_hash)
        return _Wanted(carried.canary.weight if carried else 0, canary_hash)
    if not at_wanted_counts(facts):
        return _Wanted(min(facts.set_weight_at(facts.index - 1), facts.step_weight), canary_hash)
    return _Wanted(facts.step_weight, canary_hash)


def _with_variants(facts: Facts, wanted: _Wanted | None) -> _Wanted | None:
    if wanted is None or facts.is_promoted or facts.aborted or facts.status.promote_full:
        return wanted
    return wanted._replace(others=shares(facts))


def _weight_back(facts: Facts) -> int:
    """With dynamicStableScale traffic goes back as fast as stable pods can take it, and never forth again."""
    available = facts.stable.available if facts.stable else 0
    weight = facts.most - facts.most * min(available, facts.replicas) // max(facts.replicas, 1)
    carried = facts.status.canary.weights
    return min(weight, carried.canary.weight) if carried is not None else weight


def _can_carry(facts: Facts, wanted: _Wanted) -> bool:
    """Whether stable can take its share. It takes that of a variant whose pods are about to go with any pod it has."""
    carried = facts.status.canary.weights
    served = {one.service_name for one in wanted.others}
    lost = [one for one in (carried.additional if carried else None) or () if one.service_name not in served]
    if lost and facts.stable is not None and facts.stable.available > 0:
        return True
    return _stable_can_carry(facts, facts.most - wanted.taken)


def _stable_can_carry(facts: Facts, weight: int) -> bool:
    """Whether stable pods can take `weight`. After an abort one pod is enough: it is better than the bad version."""
    if facts.stable is None:
        return False
    if facts.aborted:
        return facts.stable.available > 0 or not _others_answer(facts)
    if facts.roles.is_updating and not _others_answer(facts):
        return True
    return facts.stable.available >= weight * facts.replicas // facts.most


def _others_answer(facts: Facts) -> bool:
    """Whether the new version answers, or the one beside stable that routers lead to, which may be another."""
    led = facts.status.canary.weights.canary.pod_template_hash if facts.status.canary.weights is not None else ""
    wanted = {led, facts.new.hash if facts.new is not None else ""}
    return any(rs.available > 0 for rs in facts.roles.all if rs.hash in wanted and rs.hash != facts.status.stable_rs)


def _awaits_selector(facts: Facts, wanted: _Wanted, switched: dict[str, str]) -> bool:
    """Whether the services do not yet point where the weights assume.

    After promotion all traffic goes back to the stable service only once its selector has been SEEN to point at the new
    pods: switching and moving in one breath is what makes load balancers answer 503. Before the canary gets a share, its
    service must point at it. A service that selects by no hash has all pods already, so nothing waits for its first switch:
    a Rollout is not Healthy before its routes say what it wants.
    """
    services = facts.seen.services
    if facts.is_promoted and facts.stable is not None:
        return _hash_of(services.get(facts.canary.stable_service)) not in ("", facts.stable.hash)
    if wanted.canary > 0 and facts.new is not None and not facts.aborted and facts.canary.canary_service:
        pointed = switched.get(facts.canary.canary_service) or _hash_of(services.get(facts.canary.canary_service))
        return pointed != facts.new.hash
    return False


def _hash_of(service: object) -> str:
    return dig(service, "spec", "selector", HASH_LABEL, default="")


def _split(facts: Facts, wanted: _Wanted) -> Split:
    """What the routers are to write. The canary's hash goes out once there are pods to answer for it, as with its service."""
    new, stable = facts.new, facts.stable
    answers = new is not None and new.available > 0 and new.hash == wanted.canary_hash
    return Split(
        canary_service=facts.canary.canary_service,
        stable_service=facts.canary.stable_service,
        canary=wanted.canary,
        stable=facts.most - wanted.taken,
        others=wanted.others,
        former=former_services(facts),
        entrances=entrances(facts) if wanted.others else {},
        header_routes=_header_routes(facts),
        managed=facts.seen.managed,
        mirror_routes=_mirror_routes(facts),
        canary_hash=new.hash if new is not None and answers else "",
        stable_hash=stable.hash if stable is not None and stable.available > 0 else "",
        coming_hash=wanted.canary_hash,
        rollout=facts.name,
        namespace=facts.namespace,
        owner=controller_ref(facts.rollout),
    )


def _header_routes(facts: Facts) -> tuple[SetHeaderRoute, ...]:
    """The header routes that hold at the current step: set by it or a step before, not taken back since."""
    held: dict[str, SetHeaderRoute] = {}
    for step in facts.canary.steps[: facts.index + 1] if _may_add_routes(facts) else ():
        if (route := step.set_header_route) is not None:
            held.pop(route.name, None)
            if route.match:
                held[route.name] = route
    order = {name: position for position, name in enumerate(facts.seen.managed)}
    return tuple(sorted(held.values(), key=lambda route: order.get(route.name, len(order))))


def _mirror_routes(facts: Facts) -> tuple[MirrorRoute, ...]:
    """The mirror routes that hold at the current step, likewise."""
    held: dict[str, MirrorRoute] = {}
    for step in facts.canary.steps[: facts.index + 1] if _may_add_routes(facts) else ():
        if step.set_mirror_route is not None:
            route = msgspec.convert(step.set_mirror_route, MirrorRoute)
            held.pop(route.name, None)
            if route.match:
                held[route.name] = route
    return tuple(held.values())


def _may_add_routes(facts: Facts) -> bool:
    ending = facts.is_promoted or facts.aborted or facts.status.promote_full or facts.is_first_deploy
    return not ending and facts.new is not None and facts.new.available > 0 and facts.step is not None


def _edits(facts: Facts, split: Split) -> tuple[tuple[tuple[Edit, Seen], ...], bool | None]:
    """What all routers change, and whether those that can tell say that the data plane follows; None: none of them can."""
    made: list[tuple[Edit, Seen]] = []
    told: list[bool] = []
    for router, seen in zip(facts.seen.routers, facts.seen.routes, strict=True):
        edits = router.edits(seen, split)
        follows = router.taken_up(seen, edited=bool(edits))
        made += ((edit, seen) for edit in edits)
        told += [follows] if follows is not None else []
    return tuple(made), all(told) if told else None


def plan_leaving(facts: Facts) -> Effects | None:
    """What is put in order where a router or a service was taken out of the spec; None while stable cannot carry everything.

    None, too, where nothing was taken out.
    """
    seen, reach, present = facts.seen, facts.seen.reach, reach_of(facts.rollout, facts.spec)
    if reach == present:
        return None
    lost = lost_services(reach, present)
    if facts.stable is None or (seen.left_routers and not _stable_can_carry(facts, facts.most)):
        return None
    splits = [_leaving_split(facts, router) for router in seen.left_routers]
    waiting = (seen.services.get(split.stable_service) for split in splits if split.stable_service not in lost)
    if any(_hash_of(service) not in ("", facts.stable.hash) for service in waiting):
        return None
    kept = {ref for routes in seen.routes for ref in routes.objs}
    left = zip(seen.left_routers, seen.left_routes, splits, strict=True)
    edits = [(edit, look) for router, look, split in left for edit in router.edits(look, split) if edit.target not in kept]
    patches: list[Action] = []
    for name in lost:
        body = freed(seen.services.get(name) or {}, facts.name)
        patches += [Patch(SERVICES, facts.namespace, name, body)] if body is not None else []
    return together(acting(*patches), _writing(facts, edits))


def _leaving_split(facts: Facts, router: Router) -> Split:
    """All traffic for stable, by the names that the router knew."""
    reach = facts.seen.reach
    canary, stable = sides(reach, facts.status.canary.stable_ping_pong, router)
    most, owner = reach.routing.get("maxTrafficWeight") or 100, controller_ref(facts.rollout)
    gone = Split(canary, stable, 0, most, managed=reach.managed, rollout=facts.name, owner=owner, leaving=True)
    return msgspec.structs.replace(gone, namespace=facts.namespace, former=former_services(facts))


def _is_at_rest(facts: Facts, switched: dict[str, str]) -> bool:
    """Whether nothing of ours moves the routes now, so that what differs was changed by somebody else."""
    if facts.status.observed_generation != str(generation_of(facts.rollout)):
        return False
    adds = facts.step is not None and (facts.step.set_header_route or facts.step.set_mirror_route) is not None
    return not (switched or adds or facts.aborted or facts.seen.managed != managed_routes(facts.spec))


def _restored(facts: Facts, edits: Sequence[tuple[Edit, Seen]]) -> tuple[Note, ...]:
    made: list[Note] = []
    for edit, seen in edits:
        what = "is gone" if seen.get(edit.target) is None else "no longer says what the Rollout wants"
        text = f"{edit.target.kind} {edit.target.namespace}/{edit.target.name} {what}: written again"
        made.append(facts.note("TrafficRouteRestored", text, warning=True))
    return tuple(made)


def _writing(facts: Facts, edits: Sequence[tuple[Edit, Seen]]) -> Effects:
    """One batch for each turn."""
    planned = [(edit, _action(facts, edit, seen)) for edit, seen in edits]
    turns = sorted({edit.turn for edit, _ in planned})
    batches = tuple(Batch(tuple(action for edit, action in planned if edit.turn == turn)) for turn in turns)
    tied = tuple(Tied(action, facts.note(*edit.told)) for edit, action in planned if edit.told[0])
    return Effects(batches=batches, tied=tied)


def _action(facts: Facts, edit: Edit, seen: Seen) -> Action:
    ref = edit.target
    resource, live = facts.seen.route_kinds[(ref.group, ref.kind)], seen.get(ref)
    assert resource is not None
    if edit.obj is not None:
        metadata: Obj = {"namespace": ref.namespace, "name": ref.name, **edit.obj.get("metadata", {})}
        return Create(resource, {"apiVersion": resource.api_version, "kind": ref.kind, **edit.obj, "metadata": metadata})
    version = resource_version_of(live or {})
    if edit.gone:
        return Delete(resource, ref.namespace, ref.name, resource_version=version)
    # A failed `test` is answered as if the patch made no sense (422); a version that is no longer so is a conflict.
    guard = {"op": "replace", "path": "/metadata/resourceVersion", "value": version}
    return Patch(resource, ref.namespace, ref.name, [guard, *edit.ops], type="json")


def _reported(facts: Facts, wanted: _Wanted, verified: bool | None) -> Weights:
    stable_hash = facts.stable.hash if facts.stable else ""
    return Weights(
        canary=Destination(wanted.canary, facts.canary.canary_service, wanted.canary_hash),
        stable=Destination(facts.most - wanted.taken, facts.canary.stable_service, stable_hash),
        additional=wanted.others or None,
        verified=verified,
    )


def _weight_notes(facts: Facts, before: Weights | None, after: Weights) -> tuple[Note, ...]:
    if before is not None and _destinations(before) == _destinations(after):
        return ()
    details: list[str] = []
    if before is None:
        details.append(f"to {after.canary.weight}")
    elif before.canary.weight != after.canary.weight:
        details.append(f"from {before.canary.weight} to {after.canary.weight}")
    if before is not None and (before.additional or ()) != (after.additional or ()):
        listed = " ".join(f"{{{one.weight} {one.service_name} {one.pod_template_hash}}}" for one in after.additional or ())
        details.append(f"additional: [{listed}]")
    return (facts.note(WEIGHT_UPDATED, f"Traffic weight updated {', '.join(details)}"),)


def _destinations(weights: Weights) -> tuple[Destination, ...]:
    return (weights.canary, weights.stable, *(weights.additional or ()))


def route_problem(facts: Facts) -> Invalid | None:
    """Objects that cannot carry the split (not served, not there, without the services), as an InvalidSpec says it."""
    return next(filter(None, map(_problem_of_routes, views(facts))), None)


def _problem_of_routes(facts: Facts) -> Invalid | None:
    split = Split(facts.canary.canary_service, facts.canary.stable_service, 0, facts.most, rollout=facts.name)
    split = msgspec.structs.replace(
        split,
        owner=controller_ref(facts.rollout),
        managed=facts.seen.managed,
        header_routes=tuple(step.set_header_route for step in facts.canary.steps if step.set_header_route is not None),
    )
    for router, seen in zip(facts.seen.routers, facts.seen.routes, strict=True):
        problem = router.problem(seen, split)
        if problem is not None:
            return invalid(f"spec.strategy.canary.trafficRouting.{problem.field}", problem.value, problem.detail)
    return None
