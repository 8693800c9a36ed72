"""Live object and applied configuration become one: second of the walks of server-side apply.

Maps merge field by field, lists of type set and map item by item, everything else is taken from the configuration. Branches
that the configuration does not change are the very objects of the live one (`merged is live` when nothing changes), which
lets the comparison that follows skip them.
"""

from typing import Any

import orjson

from shipway.kube.objects.resource import Json
from shipway.kube.objects.schema import DEDUCED, Schema
from shipway.kube.objects.typed_fields import item_element


def same_value(a: Json, b: Json) -> bool:
    """Equality of JSON values that tells true from 1, which Python does not, however deep."""
    if a != b:
        return False
    if isinstance(a, dict | list):
        return orjson.dumps(a, option=orjson.OPT_SORT_KEYS) == orjson.dumps(b, option=orjson.OPT_SORT_KEYS)
    return isinstance(a, bool) == isinstance(b, bool)


def merge(live: Json, config: Json, schema: Schema) -> Json:
    """`live` with `config` laid over it. Null clears a scalar and an atomic field, but leaves maps and keyed lists alone."""
    if isinstance(config, dict):
        if live is not None and not isinstance(live, dict):
            return config
        if schema.map_type == "atomic" or not live:
            return live if same_value(live, config) else config
        return _merge_maps(live, config, schema)
    if isinstance(config, list):
        if live is not None and not isinstance(live, list):
            return config
        if schema.list_type == "atomic" or not live:
            return live if same_value(live, config) else config
        return _merge_lists(live, config, schema)
    if config is None:
        return live if _stays_on_null(live, schema) else None
    return live if not isinstance(live, dict | list) and same_value(live, config) else config


def _stays_on_null(live: Json, schema: Schema) -> bool:
    if isinstance(live, dict):
        return bool(live) and schema.map_type != "atomic"
    return isinstance(live, list) and bool(live) and schema.list_type != "atomic"


def _merge_maps(live: dict[str, Any], config: dict[str, Any], schema: Schema) -> dict[str, Any]:
    merged: dict[str, Any] | None = None
    for key, theirs in config.items():
        if key in live:
            ours = live[key]
            if ours == theirs and (isinstance(theirs, str) or same_value(ours, theirs)):
                continue  # most of a configuration is live already
            value = merge(ours, theirs, schema.child(key) or DEDUCED)
            if value is ours:
                continue
        else:
            value = theirs
        if merged is None:
            merged = dict(live)
        merged[key] = value
    return live if merged is None else merged


def _merge_lists(live: list[Any], config: list[Any], schema: Schema) -> list[Any]:
    if not config:
        return live
    merged = _ListMerge(live, config, schema).run()
    same = len(merged) == len(live) and all(a is b for a, b in zip(merged, live, strict=True))
    return live if same else merged


class _ListMerge:
    """The order of the merged list: the configuration's items in its order, live-only items where they stood between them.

    Two cursors walk both lists. Items that both have are merged at the configuration's place; a shared live item that is
    not the next shared one is left behind, to be picked up when the configuration gets to it.
    """

    def __init__(self, live: list[Any], config: list[Any], schema: Schema) -> None:
        self._live, self._items = live, schema.items or DEDUCED
        self._live_elements = [item_element(schema, item) for item in live]
        self._config_elements = [item_element(schema, item) for item in config]
        self._in_live: dict[str, Any] = {}
        for element, item in zip(self._live_elements, live, strict=True):
            self._in_live[element] = None if element in self._in_live else item  # duplicates merge as null
        self._in_config = dict(zip(self._config_elements, config, strict=True))
        self._shared = iter([element for element in self._config_elements if element in self._in_live])
        self._next_shared = next(self._shared, None)
        self._taken: set[str] = set()
        self._out: list[Any] = []

    def run(self) -> list[Any]:
        at_live, at_config = 0, 0
        live, config = self._live_elements, self._config_elements
        while at_live < len(live) or at_config < len(config):
            if at_live < len(live) and at_config < len(config):
                element = live[at_live]
                if element == config[at_config]:
                    self._take(element)
                    at_live, at_config = at_live + 1, at_config + 1
                    self._next_shared = next(self._shared, None)
                    continue
                if element in self._in_config and self._next_shared not in (None, element):
                    at_live += 1
                    continue
            if at_live < len(live):
                element = live[at_live]
                if element not in self._in_config:
                    self._out.append(self._live[at_live])
                    at_live += 1
                    continue
                if element in self._taken:
                    at_live += 1
            if at_config < len(config):
                self._take(config[at_config])
                if self._next_shared == config[at_config]:
                    self._next_shared = next(self._shared, None)
                at_config += 1
        return self._out

    def _take(self, element: str) -> None:
        """The configuration's item, merged into the live one if there is one."""
        self._taken.add(element)
        theirs = self._in_config[element]
        self._out.append(merge(self._in_live[element], theirs, self._items) if element in self._in_live else theirs)
