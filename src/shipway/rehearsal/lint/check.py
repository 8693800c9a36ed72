"""All rules over all metrics of some templates, each finding with its file and line."""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from shipway.api.kinds import ANALYSIS_TEMPLATES, CLUSTER_ANALYSIS_TEMPLATES, ROLLOUTS
from shipway.api.rollout import RolloutSpec
from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of, spec_of
from shipway.kube.objects.yaml import line_of, load_all
from shipway.rehearsal.lint import conditions, figures, timing, units
from shipway.rehearsal.lint.findings import Finding, Subject
from shipway.rehearsal.recording import Recording
from shipway.rollouts.analysis.metric import read_metrics
from shipway.rollouts.rollout.observe import analyses
from shipway.rollouts.rollout.spec import readable

RULES = (conditions.find, units.find, timing.find, figures.find)
UNKNOWN = "1"
"""What stands for an argument without a default; conditions that it is part of are not judged."""


class Source(Struct, frozen=True):
    """The text of a manifest file, and its name in messages."""

    name: str
    text: str


class Problem(Struct, frozen=True):
    """A finding where it stands."""

    file: str
    line: int
    rule: str
    template: str
    metric: str
    message: str
    hint: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.rule}: {self.template}/{self.metric}: {self.message}; {self.hint}"


def lint(sources: Sequence[Source], recording: Recording | None = None, scrape: float = 15.0) -> list[Problem]:
    """In the order of the files. Rollouts say how long their analyses have. Raises InvalidInput for no template."""
    documents = [(source, index, obj) for source in sources for index, obj in enumerate(load_all(source.text))]
    uses = _uses(obj for _, _, obj in documents if isinstance(obj, dict) and obj.get("kind") == ROLLOUTS.kind)
    kinds = (ANALYSIS_TEMPLATES.kind, CLUSTER_ANALYSIS_TEMPLATES.kind)
    templates = [one for one in documents if isinstance(one[2], dict) and one[2].get("kind") in kinds]
    if not templates:
        raise InvalidInput(f"no AnalysisTemplate in {', '.join(source.name for source in sources)}")
    found: list[Problem] = []
    for source, index, template in templates:
        for number, metric, finding in _of_template(template, uses.get(name_of(template)), recording, scrape):
            path = ["spec", "metrics", number, *([finding.field] if finding.field else [])]
            line = line_of(source.text, index, path)
            where = (source.name, line, finding.rule, name_of(template), metric)
            found.append(Problem(*where, finding.message, finding.hint))
    return found


def _of_template(
    template: Obj, use: tuple[frozenset[str], RolloutSpec] | None, recording: Recording | None, scrape: float
) -> Iterator[tuple[int, str, Finding]]:
    """(index, metric, finding). A metric that the engine refuses is a finding in its words."""
    spec = spec_of(template)
    args = [_with_default(arg) for arg in spec.get("args") or []]
    known = {arg["name"]: str(arg["value"]) for arg in spec.get("args") or [] if arg.get("value") is not None}
    for number, raw in enumerate(spec.get("metrics") or []):
        name = str(raw.get("name") or number)
        try:
            (metric,) = read_metrics({"spec": {"args": args, "metrics": [raw]}}, plugins=None)
        except InvalidInput as error:
            text = error.message.replace("metrics[0]: ", "")
            yield number, name, Finding("invalid", "", text, "the engine ends such a run with an error")
            continue
        kinds, rollout = use or (frozenset[str](), None)
        subject = Subject(metric, _opened(raw, known), kinds, rollout, recording, scrape)
        for rule in RULES:
            for finding in rule(subject):
                yield number, name, finding


def _opened(raw: Obj, known: dict[str, str]) -> Obj:
    """The metric's own texts with the arguments filled in that have a default."""
    texts = {key: value for key, value in raw.items() if isinstance(value, str)}
    for name, value in known.items():
        texts = {key: text.replace(f"{{{{args.{name}}}}}", value) for key, text in texts.items()}
    return {**raw, **texts}


def _with_default(arg: Obj) -> Obj:
    has_value = arg.get("value") is not None or "secretKeyRef" in (arg.get("valueFrom") or {})
    return arg if has_value else {"name": arg.get("name"), "value": UNKNOWN}


def _uses(rollouts: Iterable[Obj]) -> dict[str, tuple[frozenset[str], RolloutSpec]]:
    """How the Rollouts run each template, by its name."""
    found: dict[str, tuple[frozenset[str], RolloutSpec]] = {}
    for rollout in rollouts:
        spec = readable(rollout)
        for path, analysis in analyses(spec):
            kind = (
                "background"
                if path == "spec.strategy.canary.analysis.templates"
                else "step"
                if "steps[" in path
                else "promotion"
            )
            for ref in analysis.templates:
                before = found[ref.template_name][0] if ref.template_name in found else frozenset[str]()
                found[ref.template_name] = (before | {kind}, spec)
    return found
