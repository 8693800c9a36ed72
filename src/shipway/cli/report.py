"""`shipway report`: what many Applications have in common, and from what Rollouts kept their users. Nothing is written.

Everything is read as the engine reads it.
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter, validators
from platformdirs import user_cache_path

from shipway.api.kinds import APPLICATIONS
from shipway.assembly.explaining import Layered, written
from shipway.base.errors import ShipwayError, expected_in
from shipway.cli.app import SelectorFlag
from shipway.cli.output import AllFlag, Output, OutputFlag, object_text, print_lines, shortened, table
from shipway.cli.process import configure_logs
from shipway.cli.session import Place, Session, connected
from shipway.gitops.value_report import Chart, Report, Service, report_of
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of, namespace_of

app = App(name="report", version_flags=(), help="Reports over many Applications or Rollouts.")
app.command(
    "shipway.cli.prevented:prevented_command",
    name="prevented",
    help="Report the versions that analyses threw out, with what they measured.",
)
LeastFlag = Annotated[int, Parameter(validator=validators.Number(gte=2))]


@app.command(name="values")
async def values_command(
    *,
    all_namespaces: AllFlag = False,
    selector: SelectorFlag = "",
    least: LeastFlag = 2,
    output: OutputFlag = "table",
    place: Place | None = None,
) -> int:
    """Report settings that several Applications say alike, defaults of charts that are overridden, and values nobody asks for.

    Settings are the entries of ConfigMaps, the environment of containers, and the values of charts (values:...). Values that
    go by the name of a secret are not shown.

    Parameters
    ----------
    all_namespaces
        Look in all namespaces.
    selector
        Only Applications with these labels, like team=shop.
    least
        In how many Applications a setting has to be the same to be reported.
    output
        table, json, yaml or name (of the settings that are said alike).
    """
    configure_logs(quiet=True)
    async with connected(place) as session:
        namespace = "" if all_namespaces else session.application_namespace
        found = (await session.client.list(APPLICATIONS, namespace, label_selector=selector)).items
        return await report_values(session, found, least, output, user_cache_path("shipway") / "diff")


async def report_values(session: Session, applications: list[Obj], least: int, output: Output, cache: Path) -> int:
    """Prints the report; Applications whose sources cannot be read are named, and left out."""
    services: list[Service] = []
    for one in sorted(applications, key=lambda app: (namespace_of(app), name_of(app))):
        name = f"{namespace_of(one)}/{name_of(one)}"
        try:
            objects, charts = await written(session.client, one, cache)
        except (ShipwayError, BaseExceptionGroup) as error:
            expected = expected_in(error)
            if expected is None:
                raise
            print(f"{name} is left out: {expected.message}", file=sys.stderr)
            continue
        services.append(Service(name, objects, tuple(map(_chart, charts))))
    report = report_of(services, least)
    if output == "table":
        print_lines(_tables(report, least))
    elif output == "name":
        print_lines([one.key for one in report.duplicated])
    else:
        document: dict[str, Any] = {"apiVersion": "shipway.dev/v1alpha1", "kind": "ValueReport", **_plain(report)}
        sys.stdout.write(object_text(document, output))
    return 0


def _chart(one: Layered) -> Chart:
    layers = tuple((layer.name, layer.values) for layer in one.layers)
    return Chart(layers, one.use.paths, one.use.parts, has_defaults=one.has_defaults)


def _plain(report: Report) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(report)
    for one in found["overridden"]:
        one["saysTheSame"] = one.pop("says_the_same")
    return found


def _tables(report: Report, least: int) -> list[str]:
    lines: list[str] = []
    same = [
        (one.key, shortened(one.value), str(len(one.services)), shortened(", ".join(one.services))) for one in report.duplicated
    ]
    over = [
        (one.service, one.key, shortened(one.default), "the same" if one.says_the_same else shortened(one.value), one.by)
        for one in report.overridden
    ]
    unused = [(one.service, one.key, one.by) for one in report.unused]
    for title, headings, rows in (
        (f"Said alike by {least} or more", ("KEY", "VALUE", "BY", "APPLICATIONS"), same),
        ("Defaults that are overridden", ("APPLICATION", "KEY", "DEFAULT", "VALUE", "FROM"), over),
        ("Asked for by no template", ("APPLICATION", "KEY", "FROM"), unused),
    ):
        lines += [*([""] if lines else []), f"{title}: {len(rows) or 'none'}", *(table(headings, rows) if rows else ())]
    return lines
