"""Carries out actions: the one place where a decision meets the API server."""

import asyncio
from typing import Protocol, assert_never

from shipway.base.errors import Conflict, NotFound, ShipwayError
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import controller_of, metadata, name_of, namespace_of
from shipway.kube.runtime.decision import (
    Action,
    Apply,
    Batch,
    Bind,
    Create,
    Delete,
    Evict,
    Outcome,
    Patch,
    Replace,
)

AT_ONCE = 16
"""Actions of one batch that are under way at a time."""


class Clients(Protocol):
    """The API servers that somebody needs."""

    def client(self, cluster: str) -> Client:
        """Raises Unavailable for a cluster of which nothing is watched."""
        ...


async def execute(clients: Clients, batches: tuple[Batch, ...]) -> tuple[Outcome, ...]:
    """Runs the batches in order; the outcome of an action that was not reached has neither result nor error."""
    outcomes: list[Outcome] = []
    stopped = False
    for batch in batches:
        if stopped:
            outcomes += [Outcome(action=action) for action in batch.actions]
            continue
        done = await _run_batch(clients, batch)
        outcomes += done
        stopped = batch.on_failure == "stop" and any(outcome.error for outcome in done)
    return tuple(outcomes)


def describe(action: Action) -> str:
    """An action in a few words, for logs and plans: `Patch apps/Deployment shop/web`. Never its content."""
    verb = type(action).__name__
    match action:
        case Create() | Apply() | Replace():
            target = f"{namespace_of(action.obj)}/{name_of(action.obj)}"
        case _:
            target = f"{action.namespace}/{action.name}"
    kind = "Pod" if isinstance(action, Evict | Bind) else "/".join(part for part in action.resource.group_kind if part)
    cluster = cluster_of(action)
    return f"{verb} {kind} {target.lstrip('/')}{f' on {cluster}' if cluster else ''}"


def cluster_of(action: Action) -> str:
    """Where it is to be done. Pods are bound and evicted only by those who live beside them."""
    return "" if isinstance(action, Evict | Bind) else action.resource.cluster


async def _run_batch(clients: Clients, batch: Batch) -> list[Outcome]:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(action: Action) -> Outcome:
        async with room:
            try:
                client = clients.client(cluster_of(action)).acting_as(batch.as_user)
                return Outcome(action=action, result=await perform(client, action))
            except ShipwayError as error:
                return Outcome(action=action, error=error)

    if len(batch.actions) == 1:
        return [await one(batch.actions[0])]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(action)) for action in batch.actions]
    return [task.result() for task in tasks]


async def perform(client: Client, action: Action) -> Obj:
    """One action; what comes back is the object as the server has it now ({} when it is gone)."""
    match action:
        case Create():
            return await _create(client, action)
        case Apply():
            return await client.apply(action.resource, action.obj, manager=action.manager, force=action.force)
        case Patch():
            return await client.patch(
                action.resource,
                action.namespace,
                action.name,
                _with_preconditions(action),
                type=action.type,
                subresource=action.subresource,
            )
        case Replace():
            return await client.replace(action.resource, action.obj, subresource=action.subresource)
        case Delete():
            return await _delete(client, action)
        case Evict():
            await client.evict(action.namespace, action.name)
            return {}
        case Bind():
            await client.bind(action.namespace, action.name, action.node)
            return {}
        case _:
            assert_never(action)


async def _create(client: Client, action: Create) -> Obj:
    try:
        return await client.create(action.resource, action.obj)
    except Conflict as conflict:
        if not action.adopt_if_exists or conflict.reason != "AlreadyExists":
            raise
        existing = await client.get(action.resource, namespace_of(action.obj), name_of(action.obj))
        if _owner_uid(existing) != _owner_uid(action.obj):
            raise Conflict(f"{conflict.message}, and it belongs to somebody else", reason="NameTaken") from conflict
        return existing


def _owner_uid(obj: Obj) -> str:
    return (controller_of(obj) or {}).get("uid", "")


def _with_preconditions(action: Patch) -> object:
    if action.type == "json" or not (action.uid or action.resource_version):
        return action.body
    guard = {"uid": action.uid, "resourceVersion": action.resource_version}
    meta = {**metadata(action.body), **{name: value for name, value in guard.items() if value}}
    return {**action.body, "metadata": meta}


async def _delete(client: Client, action: Delete) -> Obj:
    try:
        return await client.delete(
            action.resource,
            action.namespace,
            action.name,
            uid=action.uid,
            resource_version=action.resource_version,
            propagation=action.propagation,
            grace_seconds=action.grace_seconds,
        )
    except NotFound:
        return {}
