"""Which verification rules are in force for a Rollout: chosen when an update begins, and kept for as long as it goes on.

An update that cannot be judged as a rule requires does not begin. Nothing else is touched by that: what runs goes on, is scaled
and restarted; only the new version waits. A retry of a version that was thrown out takes the rules as they are by then.
"""

import msgspec

from shipway.api.rollout import TemplateRef
from shipway.api.verification import Rule
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of
from shipway.rollouts.rollout.facts import Facts
from shipway.rollouts.rollout.names import EXEMPT, VERIFICATION
from shipway.rollouts.verification.judges import can_stop, is_overridden, own_judges, rule_problem
from shipway.rollouts.verification.selection import exemption, pinned_text, read_pinned


def with_rules(facts: Facts) -> Facts:
    """The facts with the rules of the present update, or with the reason why it may not begin."""
    live, seen = annotations_of(facts.rollout).get(VERIFICATION, ""), facts.seen.verification
    if not live and not seen.rules and not seen.refused:
        return facts
    began = read_pinned(live) if live else None
    kept = live if began is not None and began.hash == facts.pod_hash else ""
    if facts.is_first_deploy or facts.pod_hash == facts.status.stable_rs:
        return msgspec.structs.replace(facts, pinned=kept)
    retried = facts.status.aborted_at is not None and not facts.status.abort
    if facts.template_changed or retried:
        rules, refusal = chosen(facts)
        if not refusal:
            return msgspec.structs.replace(facts, rules=rules, pinned=pinned_text(facts.pod_hash, rules))
        if facts.template_changed:
            return msgspec.structs.replace(facts, refusal=refusal, pinned=live)
    return msgspec.structs.replace(facts, rules=began.rules if began is not None and kept else (), pinned=kept)


def awaits_rules(facts: Facts) -> bool:
    """Whether an update is about to begin of which nobody knows yet what is to judge it."""
    begins = facts.template_changed and not facts.is_first_deploy and facts.pod_hash != facts.status.stable_rs
    return begins and not facts.seen.verification.is_known and not facts.seen.verification.refused


def chosen(facts: Facts) -> tuple[tuple[Rule, ...], str]:
    """(the rules that judge a new version, why it may not begin)."""
    seen = facts.seen.verification
    if seen.refused and not exemption(facts.rollout):
        return (), f"verification rules may not be read ({seen.refused}): grant list and watch on verificationrules.shipway.dev"
    templates = {ref: template for ref, template in facts.seen.templates.items() if template is not None}
    own, why = own_judges(facts.rollout, facts.spec, templates)
    rules: list[Rule] = []
    for rule in seen.rules:
        if not rule.templates or is_overridden(rule, own):
            continue
        problem = rule_problem(rule, facts.rollout, templates)
        if problem and rule.required:
            return (), f"verification rule '{rule.name}' cannot judge it: {problem}"
        rules += [] if problem else [rule]
    if (asking := _unanswered(seen.rules, rules, facts.rollout, templates)) and not any(own.values()):
        return (), (
            f"verification rule '{asking}' wants every new version judged, and nothing judges this one ({why}): "
            f"name an analysis, or say in the annotation {EXEMPT} why it goes without"
        )
    return tuple(rules), ""


def _unanswered(meant: tuple[Rule, ...], rules: list[Rule], rollout: Obj, templates: dict[TemplateRef, Obj]) -> str:
    """The rule that asks for a judge where no other brings one; "" without."""
    asking = next((rule.name for rule in meant if not rule.templates and rule.required), "")
    return "" if any(can_stop(rule, rollout, templates) for rule in rules) else asking
