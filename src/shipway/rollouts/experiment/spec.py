"""Whether an Experiment can be run, told in the words of Argo Rollouts (`utils/conditions`); the first problem counts."""

from collections.abc import Iterator

from shipway.api.experiment import ExperimentSpec, ExperimentTemplate
from shipway.base.durations import parse_duration
from shipway.kube.objects.views import labels_of


def problem_of(spec: ExperimentSpec, name: str) -> str:
    """Why it cannot be run; "" when it can."""
    return next(_problems(spec, name), "")


def duration_of(spec: ExperimentSpec) -> float | None:
    """Seconds from the moment when all templates are available; None without an end, and for text that is no duration."""
    try:
        return parse_duration(spec.duration) if spec.duration else None
    except ValueError:
        return None


def _problems(spec: ExperimentSpec, name: str) -> Iterator[str]:
    if not spec.templates:
        yield f"Experiment {name} has missing field '.Spec.Templates'"
    names = [template.name for template in spec.templates]
    for index, template in enumerate(spec.templates):
        if template.name in names[:index]:
            yield f"Experiment {name} has repeated template name '{template.name}' in templates"
        yield from _template_problems(spec, template, index, name)
    analyses = [analysis.name for analysis in spec.analyses]
    for index, one in enumerate(analyses):
        if not one or one in analyses[:index]:
            yield f"Experiment {name} has no or a repeated name '{one}' in analyses: give each its own"
    if spec.duration and duration_of(spec) is None:
        yield f"Experiment {name} has an invalid '.Spec.Duration' \"{spec.duration}\": write it like 30s, 5m or 1h30m"


def _template_problems(spec: ExperimentSpec, template: ExperimentTemplate, index: int, name: str) -> Iterator[str]:
    where = f".Spec.Templates[{index}]"
    if not template.name:
        yield f"Experiment {name} has missing field '{where}.Name'"
    if template.selector is None:
        yield f"Experiment {name} has missing field '{where}.Selector'"
        return
    wanted = template.selector.get("matchLabels") or {}
    if not wanted and not template.selector.get("matchExpressions"):
        yield f"This experiment is selecting all pods at index {index}. A non-empty selector is required."
    worn = labels_of(template.template)
    if any(worn.get(key) != value for key, value in wanted.items()):
        yield f"Experiment {name} has a selector at '{where}' that does not match the labels of its template"
    if not (template.template.get("spec") or {}).get("containers"):
        yield f"Experiment {name} has missing field '{where}.Template.Spec.Containers'"
    if template.replicas < 0:
        yield f"Experiment {name} has a negative '{where}.Replicas': {template.replicas}"
    if template.min_ready_seconds > spec.progress_deadline_seconds:
        yield f"MinReadySeconds cannot be longer than ProgressDeadlineSeconds. Template Index: {index}"
