"""`shipway verify`: whether new versions are judged before all users have them."""

import sys
from typing import Any

from cyclopts import App

from shipway.api.kinds import ANALYSIS_TEMPLATES, CLUSTER_ANALYSIS_TEMPLATES, DEPLOYMENTS, ROLLOUTS, VERIFICATION_RULES
from shipway.base.errors import NotFound
from shipway.cli.app import SelectorFlag
from shipway.cli.output import AllFlag, Output, OutputFlag, object_text, print_lines, print_table
from shipway.cli.session import Place, Session, connected
from shipway.kube.objects.resource import Obj
from shipway.rollouts.coverage import Around, Cover, coverage
from shipway.rollouts.verification.report import BAD, RuleRow, rows

app = App(name="verify", version_flags=(), help="Verification: whether new versions are judged before all users have them.")
RULE_HEADINGS = ("NAMESPACE", "ROLLOUT", "RULE", "AT", "TEMPLATES", "STATE", "WHY")
HEADINGS = ("NAMESPACE", "KIND", "NAME", "STATE", "CANARY", "PREVIEW", "POST-DEPLOY", "WHY")


@app.command(name="coverage")
async def coverage_command(
    *, all_namespaces: AllFlag = False, selector: SelectorFlag = "", output: OutputFlag = "table", place: Place | None = None
) -> int:
    """List services with the analysis templates that judge them, and those that nothing judges. Exit code 1: there are such.

    Services are Rollouts, and Deployments that no Rollout takes over. Verification rules that select one count as its own
    analyses do. The annotation shipway.dev/exempt-from-verification
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
    around = Around(rollouts, await templates_of(session, namespace), await rules_of(session))
    covers = coverage(chosen, deployments, around)
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


@app.command(name="rules")
async def rules_command(
    *, all_namespaces: AllFlag = False, selector: SelectorFlag = "", output: OutputFlag = "table", place: Place | None = None
) -> int:
    """List which verification rule judges which Rollout, with exemptions and Rollouts without a rule. Exit code 1: one cannot.

    A rule cannot judge where its templates are missing (the next new version of that Rollout then waits), where it wants a
    judge and there is none, and where it cannot be read itself.

    Parameters
    ----------
    all_namespaces
        Look in all namespaces.
    selector
        Only Rollouts with these labels, like team=shop.
    output
        table, json, yaml or name (of the Rollouts without a rule).
    """
    async with connected(place) as session:
        return await show_rules(session, all_namespaces=all_namespaces, selector=selector, output=output)


async def show_rules(session: Session, *, all_namespaces: bool = False, selector: str = "", output: Output = "table") -> int:
    """On a cluster that does not know such rules all Rollouts are without one."""
    namespace = "" if all_namespaces else session.workload_namespace
    rollouts = (await session.client.list(ROLLOUTS, namespace, label_selector=selector)).items
    found = rows(await rules_of(session), rollouts, await templates_of(session, namespace))
    if output == "name":
        print_lines([f"rollout/{one.rollout}" for one in found if one.state == "unruled"])
    elif output != "table":
        document = {"apiVersion": "shipway.dev/v1alpha1", "kind": "VerificationReport", "items": list(map(_rule_item, found))}
        sys.stdout.write(object_text(document, output))
    elif found:
        print_table(RULE_HEADINGS, list(map(_rule_row, found)))
    else:
        print(f"no Rollouts found{f' in namespace {namespace}: try -A or -n' if namespace else ''}", file=sys.stderr)
    return 1 if any(one.state in BAD for one in found) else 0


async def templates_of(session: Session, namespace: str) -> list[Obj]:
    """The analysis templates of a namespace ("": of all), and the cluster's."""
    near = (await session.client.list(ANALYSIS_TEMPLATES, namespace)).items
    return [*near, *(await session.client.list(CLUSTER_ANALYSIS_TEMPLATES)).items]


async def rules_of(session: Session) -> list[Obj]:
    """The verification rules; none on a cluster without the kind."""
    try:
        return list((await session.client.list(VERIFICATION_RULES)).items)
    except NotFound:
        return []


def _rule_row(one: RuleRow) -> tuple[str, ...]:
    cells = (one.namespace, one.rollout, one.rule, ", ".join(one.at), ", ".join(one.templates))
    return (*(cell or "-" for cell in cells), one.state, one.why)


def _rule_item(one: RuleRow) -> dict[str, Any]:
    return {
        "namespace": one.namespace,
        "rollout": one.rollout,
        "rule": one.rule,
        "at": one.at,
        "templates": one.templates,
        "state": one.state,
        "why": one.why,
    }


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
