"""`shipway verify`: whether new versions are judged before all users have them."""

import sys
from typing import Any

from cyclopts import App

from shipway.api.kinds import ANALYSIS_TEMPLATES, CLUSTER_ANALYSIS_TEMPLATES, DEPLOYMENTS, ROLLOUTS
from shipway.cli.app import SelectorFlag
from shipway.cli.output import AllFlag, Output, OutputFlag, object_text, print_lines, print_table
from shipway.cli.session import Place, Session, connected
from shipway.rollouts.coverage import Around, Cover, coverage

app = App(name="verify", version_flags=(), help="Verification: whether new versions are judged before all users have them.")
HEADINGS = ("NAMESPACE", "KIND", "NAME", "STATE", "CANARY", "PREVIEW", "POST-DEPLOY", "WHY")


@app.command(name="coverage")
async def coverage_command(
    *, all_namespaces: AllFlag = False, selector: SelectorFlag = "", output: OutputFlag = "table", place: Place | None = None
) -> int:
    """List services with the analysis templates that judge them, and those that nothing judges. Exit code 1: there are such.

    Services are Rollouts, and Deployments that no Rollout takes over. The annotation shipway.dev/exempt-from-verification
    exempts one; its value is the reason.

    Parameters
    ----------
    all_namespaces
        Look in all namespaces.
    selector
        Only Rollouts and Deployments with these labels, like team=shop.
    output
        table, json, yaml or name (of those that nothing judges).
    """
    async with connected(place) as session:
        return await show_coverage(session, all_namespaces=all_namespaces, selector=selector, output=output)


async def show_coverage(session: Session, *, all_namespaces: bool = False, selector: str = "", output: Output = "table") -> int:
    """A Deployment that a Rollout takes over is left out whatever labels the Rollout has."""
    namespace = "" if all_namespaces else session.workload_namespace
    rollouts = (await session.client.list(ROLLOUTS, namespace)).items
    deployments = (await session.client.list(DEPLOYMENTS, namespace, label_selector=selector)).items
    chosen = (await session.client.list(ROLLOUTS, namespace, label_selector=selector)).items if selector else rollouts
    templates = (await session.client.list(ANALYSIS_TEMPLATES, namespace)).items
    templates = [*templates, *(await session.client.list(CLUSTER_ANALYSIS_TEMPLATES)).items]
    covers = coverage(chosen, deployments, Around(rollouts, templates))
    unverified = [one for one in covers if one.state == "unverified"]
    if output == "name":
        print_lines([f"{one.kind.lower()}/{one.name}" for one in unverified])
    elif output != "table":
        document = {"apiVersion": "shipway.dev/v1alpha1", "kind": "VerificationCoverage", "items": list(map(_item, covers))}
        sys.stdout.write(object_text(document, output))
    elif covers:
        print_table(HEADINGS, list(map(_row, covers)))
    else:
        print(
            f"no Rollouts or Deployments found{f' in namespace {namespace}: try -A or -n' if namespace else ''}",
            file=sys.stderr,
        )
    return 1 if unverified else 0


def _row(one: Cover) -> tuple[str, ...]:
    places = (", ".join(names) or "-" for names in (one.canary, one.preview, one.post_deploy))
    return one.namespace, one.kind, one.name, one.state, *places, one.told


def _item(one: Cover) -> dict[str, Any]:
    return {
        "namespace": one.namespace,
        "kind": one.kind,
        "name": one.name,
        "state": one.state,
        "canary": one.canary,
        "preview": one.preview,
        "postDeploy": one.post_deploy,
        "why": one.told,
    }
