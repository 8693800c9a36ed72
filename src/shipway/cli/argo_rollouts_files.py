"""`kubectl argo rollouts lint` and `create`: what files hold, checked and made."""

from functools import cache
from pathlib import Path

from shipway.api.crds import load_crds
from shipway.api.kinds import ANALYSIS_RUNS, ANALYSIS_TEMPLATES, CLUSTER_ANALYSIS_TEMPLATES, EXPERIMENTS, ROLLOUTS
from shipway.api.rollout import TemplateRef
from shipway.base.errors import Conflict, InvalidInput, NotFound
from shipway.cli.argo_rollouts_flags import Line
from shipway.cli.argo_rollouts_verbs import Call, get_experiment, get_rollout
from shipway.cli.files import objects_of
from shipway.cli.output import kubectl_name
from shipway.kube.objects.resource import Obj, Resource, split_api_version
from shipway.kube.objects.schema import Schema, crd_schema
from shipway.kube.objects.structural import unknown_fields
from shipway.kube.objects.views import metadata, name_of, spec_of
from shipway.rollouts.analysis.templates import AnalysisArgs, resolve
from shipway.rollouts.rollout.names import INSTANCE_ID_LABEL
from shipway.rollouts.rollout.spec import Invalid, parse

KINDS = {
    resource.kind: resource
    for resource in (ROLLOUTS, EXPERIMENTS, ANALYSIS_TEMPLATES, CLUSTER_ANALYSIS_TEMPLATES, ANALYSIS_RUNS)
}


def lint(line: Line) -> int:
    """`lint -f FILE`: every Rollout in it, for fields that do not exist and for what its engine would refuse."""
    for obj in (obj for file in line.flags["filename"] for obj in objects_of([Path(file)])):
        if obj.get("kind") != ROLLOUTS.kind or split_api_version(obj.get("apiVersion") or "")[0] != ROLLOUTS.group:
            continue
        unknown = unknown_fields({"spec": obj.get("spec") or {}}, _rollout_schema())
        if unknown:
            raise InvalidInput(f'json: unknown field "{unknown[0].rpartition(".")[2]}" ({name_of(obj)}: {unknown[0]})')
        problem = parse(obj)
        if isinstance(problem, Invalid):
            print(problem.text)
            raise InvalidInput(str(problem))
    return 0


async def create(call: Call) -> int:
    """`create -f FILE… [-w]`."""
    made: list[Obj] = []
    for file in call.flags["filename"]:
        for obj in objects_of([Path(file)]):
            resource = KINDS.get(obj.get("kind") or "")
            group = split_api_version(obj.get("apiVersion") or "")[0]
            if resource is None or group != resource.group:
                raise InvalidInput(f"creates of {group}/{obj.get('kind')} unsupported")
            made.append(await _create(call, resource, obj))
    if made and call.flags.get("watch"):
        shown = {ROLLOUTS.kind: get_rollout, EXPERIMENTS.kind: get_experiment}.get(made[-1]["kind"])
        if shown is not None:
            return await shown(Call(call.session, (name_of(made[-1]),), call.flags))
    return 0


async def create_run(call: Call) -> int:
    """`create analysisrun --from NAME | --from-file FILE [--global] [-a NAME=VALUE]…`."""
    flags = call.flags
    if bool(flags.get("from")) == bool(flags.get("from-file")):
        raise InvalidInput("one of --from or --from-file must be specified")
    resource = CLUSTER_ANALYSIS_TEMPLATES if flags.get("global") else ANALYSIS_TEMPLATES
    template = await _template(call, resource)
    ref = TemplateRef(name_of(template), not resource.namespaced)
    given = [_argument(text) for text in flags.get("argument") or ()]
    spec = resolve([ref], {ref: template}, given, AnalysisArgs("", "", {}))
    missing = [arg["name"] for arg in spec["args"] if arg.get("value") is None and arg.get("valueFrom") is None]
    if missing:
        raise InvalidInput(f"args.{missing[0]} was not resolved")
    name = flags.get("name")
    about: Obj = {"name": name} if name else {"generateName": flags.get("generate-name") or f"{name_of(template)}-"}
    if flags.get("instance-id"):
        about["labels"] = {INSTANCE_ID_LABEL: flags["instance-id"]}
    made = {"apiVersion": ANALYSIS_RUNS.api_version, "kind": ANALYSIS_RUNS.kind, "metadata": about, "spec": spec}
    await _create(call, ANALYSIS_RUNS, made)
    return 0


async def _template(call: Call, resource: Resource) -> Obj:
    file, name = call.flags.get("from-file"), call.flags.get("from", "")
    if file:
        found = [obj for obj in objects_of([Path(file)]) if obj.get("kind") == resource.kind]
        if not found:
            raise InvalidInput(f"{file} holds no {resource.kind}")
        return found[0]
    try:
        return await call.session.client.get(resource, call.namespace if resource.namespaced else "", name)
    except NotFound:
        raise NotFound(f'{resource.plural}.{resource.group} "{name}" not found') from None


async def _create(call: Call, resource: Resource, obj: Obj) -> Obj:
    if resource.namespaced:
        obj = {**obj, "metadata": {"namespace": call.namespace, **metadata(obj)}}
    try:
        made = await call.session.client.create(resource, obj)
    except Conflict as error:
        if error.reason != "AlreadyExists":
            raise
        raise Conflict(f'{resource.plural}.{resource.group} "{name_of(obj)}" already exists') from None
    print(f"{kubectl_name(made)} created")
    return made


def _argument(text: str) -> Obj:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise InvalidInput(f"arguments must be in the form NAME=VALUE, and {text!r} is not")
    return {"name": name, "value": value}


@cache
def _rollout_schema() -> Schema:
    crd = next(crd for crd in load_crds() if spec_of(crd)["names"]["kind"] == ROLLOUTS.kind)
    return crd_schema(spec_of(crd)["versions"][0]["schema"]["openAPIV3Schema"])
