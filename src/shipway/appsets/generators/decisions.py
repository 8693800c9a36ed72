"""The generator over cluster decision resources: another controller says in the status of its objects which clusters it chose.

An entry is what it says of a cluster, and how that cluster is called and reached here. A cluster that no Secret describes is
passed over, as in Argo CD, since it may be joined later; the set's condition says so.
"""

from typing import Any

import orjson

from shipway.api.applicationset import DecisionGenerator
from shipway.appsets.asks import Decisions, DecisionsAsk
from shipway.appsets.generators.clusters import selected_clusters, with_values
from shipway.appsets.parameters import spelled
from shipway.appsets.scene import Params, PassedOver, Scene, bounded
from shipway.base.errors import InvalidInput
from shipway.kube.objects.selectors import EVERYTHING, label_selector_of

EVERY = 180.0
"""Seconds between two looks, as in Argo CD."""


def entries_of_decisions(block: DecisionGenerator, scene: Scene, given: Params, where: str) -> list[Params]:
    """One entry a decision for a cluster that we know. Raises InvalidInput for a block that names no object."""
    selector = label_selector_of(block.label_selector) if block.label_selector else EVERYTHING
    if bool(block.name) != selector.is_everything:
        raise InvalidInput(f"{where}: it needs either a name or a labelSelector")
    every = float(block.requeue_after_seconds or scene.around.terms.requeue or EVERY)
    ask = DecisionsAsk(block.config_map_ref, block.name, "" if block.name else str(selector), every)
    answer: Decisions | None = scene.ask(ask, where)
    decided: list[Params] = orjson.loads(answer.found) if answer is not None else []
    if answer is None or not decided:
        scene.empty.append(where)
        return []
    bounded(len(decided), where)
    known = {one["name"]: one for one in selected_clusters(scene.around.clusters, EVERYTHING)}
    entries = [_entry(one, known, answer.match_key) for one in decided]
    found = [one for one in entries if one is not None]
    unknown = sorted({str(one.get(answer.match_key)) for one, entry in zip(decided, entries, strict=True) if entry is None})
    if unknown:
        scene.passed_over.append(PassedOver(where, "as no Secret describes such a cluster", tuple(unknown)))
    scene.seen_clusters += [known[one["name"]] for one in found if one["name"] in known]
    return with_values([spelled(one, scene.dialect) for one in found], block.values, scene, given, where)


def _entry(decision: Params, known: dict[str, Params], match_key: str) -> Params | None:
    name: Any = decision.get(match_key)
    cluster = known.get(name) if isinstance(name, str) else None
    return {"name": cluster["name"], "server": cluster["server"], **decision} if cluster else None
