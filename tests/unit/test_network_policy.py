"""The optional network policy lets through what docs/install.md says that Shipway talks to."""

import re
from pathlib import Path
from typing import Any

from shipway.kube.objects.yaml import load_all

ROOT = Path(__file__).parent.parent.parent
Way = tuple[str, int]
"""A protocol and a port."""


def rules() -> list[dict[str, Any]]:
    (policy,) = load_all((ROOT / "deploy/network-policy/network-policy.yaml").read_text(encoding="utf-8"))
    assert policy is not None
    return policy["spec"]["egress"]


def let_out() -> set[Way]:
    """What is let out to any address."""
    return {(port["protocol"], port["port"]) for rule in rules() if "to" not in rule for port in rule["ports"]}


def told() -> dict[str, set[Way]]:
    """The table of the page: what is talked to, and by which ways; the one row that names no port is left out."""
    page = (ROOT / "docs/install.md").read_text(encoding="utf-8")
    table = page.partition("## What it talks to\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \| ([0-9][^|]*) \|$", table, re.M)
    return {
        what: {
            (protocol, int(port))
            for port in re.findall(r"[0-9]+", ports)
            for protocol in (("UDP", "TCP") if "UDP" in ports else ("TCP",))
        }
        for what, ports in rows
    }


def test_each_row_of_the_page_is_let_out_and_nothing_else() -> None:
    assert len(told()) >= 5
    assert set().union(*told().values()) == let_out()


def test_git_is_let_out_by_every_scheme_that_is_taken() -> None:
    assert {("TCP", port) for port in (22, 80, 443, 9418)} <= let_out()


def test_every_pod_of_the_cluster_can_be_asked_at_any_port() -> None:
    """A policy is enforced by the port of the pod, whatever port its Service has: a metric at port 80 may be a pod's 8080."""
    assert {"to": [{"namespaceSelector": {}}]} in rules()
