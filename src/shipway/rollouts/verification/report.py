"""Which rule judges which Rollout, and which it leaves out: pure over the objects, for `shipway verify rules`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from shipway.api.rollout import RolloutSpec, TemplateRef
from shipway.api.verification import Rule, read_rule
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of, namespace_of
from shipway.rollouts.rollout.spec import Invalid, parse
from shipway.rollouts.verification.judges import can_stop, is_overridden, own_judges, rule_problem
from shipway.rollouts.verification.selection import exemption, problem_of, selects

State = Literal["judges", "overridden", "exempt", "missing", "unmet", "met", "unruled", "unreadable"]
BAD: frozenset[State] = frozenset(("missing", "unmet", "unreadable"))
"""What keeps a new version waiting, or a rule from judging anybody."""


WHEN = {
    "Canary": "beside the update",
    "BeforePromotion": "before the new version has all traffic",
    "AfterPromotion": "while it has all traffic",
}


class RuleRow(Struct, frozen=True):
    """One rule and one Rollout it selects. `rollout` is "" for a rule that cannot be read, `rule` for a Rollout without any."""

    namespace: str
    rollout: str
    rule: str
    at: tuple[str, ...]
    templates: tuple[str, ...]
    state: State
    why: str = ""


def rows(rules: Sequence[Obj], rollouts: Iterable[Obj], templates: Sequence[Obj]) -> tuple[RuleRow, ...]:
    """All pairs by namespace, Rollout and rule; rules that cannot be read come first."""
    known = {name_of(one): problem_of(one) for one in rules}
    broken = [RuleRow("", "", name, (), (), "unreadable", problem) for name, problem in known.items() if problem]
    read = [read_rule(one) for one in rules if not known[name_of(one)]]
    pairs = [row for rollout in rollouts for row in _of_rollout(rollout, read, _near(rollout, templates))]
    return (*broken, *sorted(pairs, key=lambda row: (row.namespace, row.rollout, row.rule)))


def told(found: Iterable[RuleRow]) -> tuple[str, ...]:
    """A sentence for every rule that has a word in an update of the Rollout."""
    return tuple(_sentence(row) for row in found if row.rule and row.state not in ("exempt", "overridden", "met"))


def _sentence(row: RuleRow) -> str:
    if row.state != "judges":
        return f"Verification rule '{row.rule}' lets no new version begin: {row.why}."
    if row.why:
        return f"Verification rule '{row.rule}' is left out: {row.why}."
    when = " and ".join(WHEN[at] for at in row.at if at in WHEN)
    return f"Verification rule '{row.rule}' judges {when} ({', '.join(row.templates)}); the promotion waits for it."


def _near(rollout: Obj, templates: Sequence[Obj]) -> dict[TemplateRef, Obj]:
    """Those that a Rollout may name; templates without a namespace are the cluster's."""
    near = (one for one in templates if namespace_of(one) in ("", namespace_of(rollout)))
    return {TemplateRef(name_of(one), not namespace_of(one)): one for one in near}


def _of_rollout(rollout: Obj, rules: Sequence[Rule], templates: Mapping[TemplateRef, Obj]) -> list[RuleRow]:
    place, spec = (namespace_of(rollout), name_of(rollout)), parse(rollout)
    meant = [rule for rule in rules if selects(rule, rollout)]
    reason = exemption(rollout)
    if not meant:
        return [RuleRow(*place, "", (), (), "exempt" if reason else "unruled", reason)]
    if reason:
        return [_row(place, rule, "exempt", reason) for rule in meant]
    if isinstance(spec, Invalid):
        return [_row(place, rule, "missing", f"its spec is invalid: {spec}") for rule in meant]
    return [_row(place, rule, *_state(rule, meant, rollout, spec, templates)) for rule in meant]


def _row(place: tuple[str, str], rule: Rule, state: State, why: str) -> RuleRow:
    return RuleRow(
        *place, rule.name, rule.at if rule.templates else (), tuple(ref.template_name for ref in rule.templates), state, why
    )


def _state(
    rule: Rule, meant: Sequence[Rule], rollout: Obj, spec: RolloutSpec, templates: Mapping[TemplateRef, Obj]
) -> tuple[State, str]:
    own, why = own_judges(rollout, spec, templates)
    if not rule.templates:
        able = (one for one in meant if one.templates and not rule_problem(one, rollout, templates))
        is_met = any(own.values()) or any(can_stop(one, rollout, templates) for one in able)
        return ("met", "") if is_met else ("unmet", f"nothing judges it: {why}")
    if is_overridden(rule, own):
        return "overridden", "it runs these templates itself"
    problem = rule_problem(rule, rollout, templates)
    return ("missing" if rule.required else "judges", problem) if problem else ("judges", "")
