"""`-o json|yaml|name` of a single Rollout: everything the tree shows, the sentence, and the Rollout itself. Pure."""

import msgspec
import orjson

from shipway.base.clock import Instant
from shipway.cli.output import Output, object_text, without_managed_fields
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of, namespace_of
from shipway.rollouts.view import Family, view_of
from shipway.rollouts.why import why


def document(family: Family, now: Instant) -> Obj:
    """Fields are only ever added."""
    return {
        "apiVersion": "shipway.dev/v1alpha1",
        "kind": "RolloutView",
        "metadata": {"name": name_of(family.rollout), "namespace": namespace_of(family.rollout)},
        "why": why(family.rollout, family.runs, now),
        "view": msgspec.to_builtins(view_of(family)),
        "rollout": without_managed_fields(family.rollout),
    }


def document_text(family: Family, now: Instant, output: Output) -> str:
    """The whole document, over several lines."""
    return object_text(family.rollout if output == "name" else document(family, now), output)


def document_line(family: Family, now: Instant, output: Output) -> str:
    """One document of a stream: a line of JSON, a YAML document after its `---`, or the name."""
    if output == "json":
        return orjson.dumps(document(family, now)).decode() + "\n"
    return ("---\n" if output == "yaml" else "") + document_text(family, now, output)
