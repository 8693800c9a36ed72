"""`shipway version`: this version, and those of the tools that sources are rendered with."""

import sys

import msgspec
import orjson

from shipway.assembly.tools import tools
from shipway.base.errors import InvalidInput
from shipway.cli.output import OutputFlag, print_lines, table
from shipway.kube.objects.yaml import dump


def version(*, output: OutputFlag = "table") -> None:
    """Print the version of Shipway and of the tools that it renders with.

    What an Application was rendered with stands in its status, at the operation that applied it (info `Tools`).
    """
    found = tools()
    if output == "name":
        raise InvalidInput("-o name: versions have no names: use table, json or yaml")
    if output == "table":
        print_lines(table(("TOOL", "VERSION", "WHERE"), [(one.what, one.version, one.where) for one in found]))
        return
    plain = {one.what: {"version": one.version, **({"where": one.where} if one.where else {})} for one in found}
    built = msgspec.to_builtins(plain)
    sys.stdout.write(orjson.dumps(built, option=orjson.OPT_INDENT_2).decode() + "\n" if output == "json" else dump(built))
