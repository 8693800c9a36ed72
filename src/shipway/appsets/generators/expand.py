"""From any generator to its entries, selectors applied; matrix and merge combine what others give.

A matrix fills its second generator with each entry of the first before asking it, so that a folder may name the files to
read. Two levels of combination are allowed, as in Argo CD.
"""

from typing import Any

from shipway.api.applicationset import KINDS, ClusterGenerator, GitGenerator, ListGenerator, parse_generator
from shipway.appsets.asks import canonical
from shipway.appsets.generators.clusters import entries_of_clusters
from shipway.appsets.generators.decisions import entries_of_decisions
from shipway.appsets.generators.git import entries_of_git
from shipway.appsets.generators.lists import entries_of_list
from shipway.appsets.generators.plugin import entries_of_plugin
from shipway.appsets.generators.pull_requests import entries_of_pull_requests
from shipway.appsets.generators.scm import entries_of_scm
from shipway.appsets.parameters import combined, labels_of_entry, merged
from shipway.appsets.scene import Params, Scene, bounded
from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.selectors import label_selector_of

DEEPEST = 2
_NOT_FILLED = ("template", "values")
"""Of a block inside a matrix: values are filled later, when what they speak of is known."""


def expand(raw: Obj, scene: Scene, where: str, given: Params | None = None, depth: int = 0) -> list[Params]:
    """The entries of a generator. `given`: parameters of the generators around it. Raises InvalidInput naming the place."""
    generator = parse_generator(raw, where)
    around = given or {}
    match generator:
        case _ if isinstance(generator.list, ListGenerator):
            entries = entries_of_list(generator.list, scene, f"{where}.list")
        case _ if isinstance(generator.clusters, ClusterGenerator):
            entries = entries_of_clusters(generator.clusters, scene, around, f"{where}.clusters")
        case _ if isinstance(generator.git, GitGenerator):
            entries = entries_of_git(generator.git, scene, around, f"{where}.git")
        case _ if generator.matrix is not None:
            entries = _matrix(generator.matrix, scene, f"{where}.matrix", around, depth)
        case _ if generator.merge is not None:
            entries = _merge(generator.merge, scene, f"{where}.merge", around, depth)
        case _ if generator.pull_request is not None:
            entries = entries_of_pull_requests(generator.pull_request, scene, around, f"{where}.pullRequest")
        case _ if generator.scm_provider is not None:
            entries = entries_of_scm(generator.scm_provider, scene, around, f"{where}.scmProvider")
        case _ if generator.cluster_decision_resource is not None:
            block = generator.cluster_decision_resource
            entries = entries_of_decisions(block, scene, around, f"{where}.clusterDecisionResource")
        case _:
            assert generator.plugin is not None
            entries = entries_of_plugin(generator.plugin, scene, around, f"{where}.plugin")
    if generator.selector is None:
        return entries
    selector = label_selector_of(generator.selector)
    return [entry for entry in entries if selector.matches(labels_of_entry(entry))]


def _children(block: dict[str, Any], where: str, depth: int) -> list[Obj]:
    children: list[Any] = block.get("generators") or []
    if depth >= DEEPEST:
        raise InvalidInput(f"{where}: generators may be combined {DEEPEST} levels deep, and this is one more")
    if not all(isinstance(one, dict) for one in children):
        raise InvalidInput(f"{where}.generators: expected a list of generators")
    return children


def _matrix(block: dict[str, Any], scene: Scene, where: str, given: Params, depth: int) -> list[Params]:
    children = _children(block, where, depth)
    if len(children) != 2:
        less = "less" if len(children) < 2 else "more"
        raise InvalidInput(f"{where}: found {less} than two generators, Matrix support only two")
    first, second = children
    outer = expand(first, scene, f"{where}.generators[0]", given, depth + 1)
    place = f"{where}.generators[1]"
    inner: dict[bytes, list[Params]] = {}
    made: list[Params] = []
    for entry, asked in zip(outer, _filled_for(second, outer, scene, place, given), strict=True):
        if asked is None:
            continue
        # Only values see the entry itself; without them equal generators give equal entries, whoever asks.
        key = canonical([asked, entry if "values" in canonical(asked).decode() else None])
        if key not in inner:
            inner[key] = expand(asked, scene, place, merged(given, entry), depth + 1)
        bounded(len(made) + len(inner[key]), where)
        made += [combined(entry, one, scene.dialect, where) for one in inner[key]]
    return made


def _filled_for(raw: Obj, outer: list[Params], scene: Scene, where: str, given: Params) -> list[Any]:
    """The second generator of a matrix for each entry of the first; its selector and values stay as they are."""
    kind = next((kind for kind in KINDS if isinstance(raw.get(kind), dict)), "")
    block: dict[str, Any] = raw.get(kind) or {}
    text = {key: value for key, value in block.items() if key not in _NOT_FILLED}
    rest = {key: value for key, value in block.items() if key == "values"}
    filled = scene.fill(text, [merged(given, entry) for entry in outer], where)
    kept = {key: value for key, value in raw.items() if key != kind}
    return [None if one is None else {**kept, kind: {**one, **rest}} for one in filled] if kind else [raw] * len(outer)


def _merge(block: dict[str, Any], scene: Scene, where: str, given: Params, depth: int) -> list[Params]:
    children = _children(block, where, depth)
    if len(children) < 2:
        raise InvalidInput(f"{where}: found less than two generators, Merge requires two or more")
    keys: list[str] = block.get("mergeKeys") or []
    if not keys or not all(isinstance(key, str) for key in keys):
        raise InvalidInput(f"{where}: no merge keys were specified, Merge requires at least one")
    base, *others = [
        _by_keys(expand(child, scene, f"{where}.generators[{index}]", given, depth + 1), keys, f"{where}.generators[{index}]")
        for index, child in enumerate(children)
    ]
    for other in others:
        for key, entry in other.items():
            if key in base:
                base[key] = merged(base[key], entry)
    return list(base.values())


def _by_keys(entries: list[Params], keys: list[str], where: str) -> dict[bytes, Params]:
    found: dict[bytes, Params] = {}
    for entry in entries:
        key = canonical({name: _at(entry, name) for name in keys})
        if key in found:
            raise InvalidInput(
                f"{where}: the parameters from a generator were not unique by the given mergeKeys, Merge requires all param "
                f"sets to be unique. Duplicate key was {key.decode()}"
            )
        found[key] = entry
    return found


def _at(entry: Params, name: str) -> Any:
    """What stands under a name: as it is written, or nested under its parts."""
    if name in entry:
        return entry[name]
    here: Any = entry
    for part in name.split("."):
        here = here.get(part) if isinstance(here, dict) else None
    return here
