"""Names, hosts and images made unreadable, for a screen that others see. Pure and deterministic: one name, one false name.

What is not known to be harmless is hidden: of an answer only the texts of some fields stay (states, times, our buttons), of a
sentence only the words that our own engine uses, numbers and times. All else becomes a false name, the same one wherever it
stands. Whoever guesses a name can check the guess: it is a blur, no encryption.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from shipway.kube.objects.resource import Obj
from shipway.server.dashboard.shapes import RolloutInfo

HARMLESS = frozenset({
    "actualWeight", "at", "creationTimestamp", "duration", "generation", "icon", "kind", "label", "operator", "path", "phase",
    "ready", "resourceVersion", "restartedAt", "scaleDownDeadline", "setWeight", "specRef", "startedAt", "state", "status",
    "step", "strategy", "template", "uid", "verb",
})  # fmt: skip
"""Fields of an answer whose texts stay; `template` is a hash."""
SENTENCES = frozenset({"message", "note", "says", "text", "why"})
NUMBER = re.compile(r"\[?-?[\d.]+(?:[eE][+-]?\d+)?\]?")
CONDITION = re.compile(r"result(?:\[0\])?\s*(?:>=|<=|==|!=|>|<)\s*-?[\d.]+")
MEASURE = re.compile(r"-?\d+(?:\.\d+)?%?|(?:\d+(?:\.\d+)?(?:ms|[smhd]))+|\d{4}-\d\d-\d\dT[\d:.]+Z")
"""Counts, shares, durations, times."""
WORDS = frozenset({
    "a", "abort", "aborted", "about", "active", "address", "after", "again", "ahead", "all", "alone", "an", "analyses",
    "analysis", "and", "another", "are", "as", "assessed", "at", "available", "back", "bad", "be", "because", "been",
    "before", "begins", "behind", "being", "blue", "bluegreenpause", "body", "but", "button", "buttons", "by", "can",
    "canary", "canarypausestep", "cannot", "changed", "comes", "completed", "consecutive", "containers", "controller",
    "correct", "could", "current", "cutover", "degraded", "differs", "does", "done", "due", "each", "error", "everything",
    "exceeded", "experiment", "failed", "failure", "failurelimit", "false", "few", "field", "first", "fix", "follows",
    "for", "from", "full", "fully", "generation", "git", "go", "goes", "good", "green", "hand", "has", "have", "healthy",
    "here", "how", "if", "image", "in", "inconclusive", "inconclusiveanalysisrun", "invalid", "is", "it", "its", "json",
    "just", "lasts", "leaves", "left", "lets", "limit", "long", "look", "looked", "matchtrafficweight", "message", "metric",
    "minimum", "more", "moves", "need", "new", "newest", "none", "not", "nothing", "now", "object", "observed", "of", "old",
    "on", "once", "one", "only", "or", "order", "other", "out", "path", "pause", "paused", "pauses", "pending", "person",
    "phase", "plugin", "pod", "pods", "post", "pre", "present", "preview", "progress", "progressdeadlineexceeded",
    "progressed", "progressing", "promote", "promoted", "promotion", "pure", "push", "put", "reached", "ready",
    "reconciled", "refused", "replaces", "replicas", "replicaset", "restart", "retry", "revision", "rollout",
    "rolloutaborted", "run", "running", "runs", "s", "same", "say", "says", "scaled", "seen", "sends", "sentence", "serves",
    "service", "set", "setcanaryscale", "setheaderroute", "setmirrorroute", "setweight", "since", "skips", "somebody",
    "spec", "spec.paused", "stable", "stands", "start", "state", "stays", "step", "steps", "still", "stuck", "succeeds",
    "successful", "successfully", "takes", "tell", "template", "terminated", "termination", "than", "that", "the", "them",
    "then", "threw", "throws", "timed", "to", "traffic", "true", "undo", "until", "update", "updated", "updating", "verify",
    "version", "wait", "waiting", "waits", "was", "weight", "were", "what", "which", "will", "with", "without", "words",
    "workloadref",
})  # fmt: skip
"""Words of our own sentences; any other word of a sentence is hidden."""
WORD = re.compile(r"[^\s,;()\[\]{}\"'<>=]+")
HIDDEN = "…"


def false_name(name: str) -> str:
    """The false name of a name, the same in every process; "" stays."""
    return f"n-{hashlib.sha256(f'shipway blur {name}'.encode()).hexdigest()[:8]}" if name else ""


def blurred(info: RolloutInfo) -> Obj:
    """The answer with every name, host, image and foreign word of it hidden."""
    answer: Obj = msgspec.to_builtins(info)
    known = {name: false_name(name) for name in _names("", answer)}
    known |= {rs.template: rs.template for rs in info.replica_sets}
    return _hidden("", answer, known)


def message(text: str, known: Mapping[str, str] | None = None) -> str:
    """A sentence with only numbers and the words that our engine uses; `known` names become what they stand for there."""
    names = known or {}

    def shown(match: re.Match[str]) -> str:
        bare = match[0].rstrip(".:!?")
        if bare in names:
            return names[bare] + match[0][len(bare) :]
        return match[0] if not bare or bare.lower() in WORDS or MEASURE.fullmatch(bare) else HIDDEN

    return re.sub(rf"{HIDDEN}(?:\s+{HIDDEN})+", HIDDEN, WORD.sub(shown, text))


def _hidden(key: str, value: Any, known: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {} if key == "labels" else {name: _hidden(name, one, known) for name, one in value.items()}
    if isinstance(value, list):
        return [_hidden(key, one, known) for one in value]
    if not isinstance(value, str) or not value or _is_harmless(key, value):
        return value
    if key in SENTENCES:
        return message(value, known)
    return HIDDEN if key in ("value", "successCondition", "failureCondition") else known[value]


def _names(key: str, value: Any) -> Iterator[str]:
    """Every text that is hidden as a name."""
    if isinstance(value, dict):
        for name, one in value.items() if key != "labels" else ():
            yield from _names(name, one)
    elif isinstance(value, list):
        for one in value:
            yield from _names(key, one)
    elif isinstance(value, str) and value and key not in SENTENCES and not _is_harmless(key, value):
        yield value


def _is_harmless(key: str, text: str) -> bool:
    if key == "value":
        return NUMBER.fullmatch(text) is not None
    if key in ("successCondition", "failureCondition"):
        return CONDITION.fullmatch(text.strip()) is not None
    return key in HARMLESS
