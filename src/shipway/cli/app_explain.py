"""`shipway app explain`: which file a value of an Application's chart comes from, and what it overrides."""

import sys
from pathlib import Path
from typing import Any

import orjson
from platformdirs import user_cache_path

from shipway.adapters.helm.layers import said
from shipway.assembly.explaining import layered
from shipway.base.errors import NotFound
from shipway.cli.app import find_app
from shipway.cli.output import Output, OutputFlag, object_text, print_table
from shipway.cli.process import configure_logs
from shipway.cli.session import Place, Session, connected


async def explain_command(name: str, value: str, /, *, output: OutputFlag = "table", place: Place | None = None) -> int:
    """Show which file a value of its chart comes from, and what that file overrides.

    Parameters
    ----------
    name
        The Application.
    value
        The value as a template names it, without `.Values`: replicas, image.tag, hosts[0].
    output
        table (the winner first), json, yaml, or name of the file that wins.
    """
    configure_logs(quiet=True)
    async with connected(place) as session:
        return await explain(session, name, value, output, user_cache_path("shipway") / "diff")


async def explain(session: Session, name: str, value: str, output: Output, cache: Path) -> int:
    """Prints the layers that say something of the value, the winner first."""
    found = await layered(session.client, await find_app(session, name), cache)
    told = [(one.number, layer, what) for one in found for layer, what in reversed(said(one.layers, value))]
    if not found:
        raise NotFound(f"{name} has no Helm source: only charts have values")
    if not told:
        raise NotFound(f"{name}: nothing says {value}: neither the chart's values.yaml nor the Application")
    winners = {number: layer for number, layer, _ in reversed(told)}
    if output == "table":
        rows = [(layer, _text(what), "wins" if winners[number] == layer else "") for number, layer, what in told]
        print_table(("FROM", value, ""), rows)
    elif output == "name":
        sys.stdout.write("".join(f"{layer}\n" for layer in winners.values()))
    else:
        items = [
            {"source": number, "from": layer, "value": what, "wins": winners[number] == layer} for number, layer, what in told
        ]
        sys.stdout.write(object_text({"apiVersion": "shipway.dev/v1alpha1", "kind": "ValueLayers", "items": items}, output))
    return 0


def _text(what: Any) -> str:
    return what if isinstance(what, str) else orjson.dumps(what).decode()
