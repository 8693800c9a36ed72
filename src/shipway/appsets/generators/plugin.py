"""The plugin generator: one entry for each set of parameters that a plugin of the user's own answers over HTTP.

What the plugin was told is in every entry too (`generator.input.parameters`), and like `values` it wins over what the plugin
says under these names.
"""

from typing import Any

import orjson

from shipway.api.applicationset import PluginGenerator
from shipway.appsets.asks import PluginAsk, canonical
from shipway.appsets.generators.clusters import with_values
from shipway.appsets.parameters import spelled
from shipway.appsets.scene import Params, Scene, bounded

EVERY = 1800.0
"""Seconds between two looks, as in Argo CD."""


def entries_of_plugin(block: PluginGenerator, scene: Scene, given: Params, where: str) -> list[Params]:
    """What the plugin gives; nothing while that is not known."""
    told: dict[str, Any] = (block.input.parameters if block.input else None) or {}
    every = float(block.requeue_after_seconds or EVERY)
    answered: bytes | None = scene.ask(PluginAsk(block.config_map_ref.name, scene.name, canonical(told), every), where)
    found: list[Params] = orjson.loads(answered) if answered is not None else []
    if not found:
        scene.empty.append(where)
        return []
    bounded(len(found), where)
    entries = [spelled({**one, "generator": {"input": {"parameters": told}}}, scene.dialect) for one in found]
    return with_values(entries, block.values, scene, given, where)
