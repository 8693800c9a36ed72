"""An Application's own Kustomize settings, merged into a kustomization as `kustomize edit` would, which kubectl lacks."""

import re
from collections.abc import Mapping
from typing import Any

from shipway.api.build_env import substitute
from shipway.base.errors import InvalidInput

_TAGGED = re.compile(r"(.*):([a-zA-Z0-9._-]*|\*)")
_KEPT = "*"
"""In an image override: leave this part as the kustomization has it."""

Kustomization = dict[str, Any]


def merged(kustomization: Kustomization, options: Mapping[str, Any], env: Mapping[str, str]) -> Kustomization:
    """A kustomization with `spec.source.kustomize` in it. Raises `InvalidInput` (InvalidSource) naming the field."""
    result = dict(kustomization)
    for key in ("namePrefix", "nameSuffix", "namespace"):
        if options.get(key):
            result[key] = str(options[key])
    if options.get("images"):
        result["images"] = images(
            _list(result.get("images")), [substitute(str(image), env) for image in _list(options["images"], "images")]
        )
    if options.get("replicas"):
        result["replicas"] = _replicas(_list(result.get("replicas")), _list(options["replicas"], "replicas"))
    _add_labels(result, options, env)
    _add_annotations(result, options, env)
    for key in ("patches", "components"):
        if options.get(key):
            result[key] = [*_list(result.get(key)), *_list(options[key], key)]
    return result


def with_managed_by_label(kustomization: Kustomization) -> Kustomization:
    """What the flag `--enable-managedby-label` does, which kubectl lacks."""
    present = _list(kustomization.get("buildMetadata"))
    return {**kustomization, "buildMetadata": list(dict.fromkeys((*present, "managedByLabel")))}


def images(present: list[Any], overrides: list[Any]) -> list[dict[str, str]]:
    """`kustomize edit set image`: an override replaces the entry of its name; the others stay."""
    by_name = {str(image.get("name")): dict(image) for image in present if isinstance(image, dict)}
    for text in overrides:
        new = parse_image(str(text))
        old = by_name.get(new["name"], {})
        kept = {key: old.get(key, "") if value == _KEPT else value for key, value in new.items()}
        by_name[new["name"]] = {key: value for key, value in kept.items() if value}
    return [by_name[name] for name in sorted(by_name)]


def parse_image(text: str) -> dict[str, str]:
    """`name=new:tag`, `name=new@digest`, `name=new`, `name:tag` or `name@digest`."""
    name, equals, new = text.partition("=")
    image, tag, digest = _image_parts(new if equals else name)
    if not name or not (image or tag or digest) or not (equals or tag or digest):
        raise InvalidInput(
            f"image override {text!r}: write name=newname:tag, name:tag or name@digest in spec.source.kustomize.images",
            reason="InvalidSource",
        )
    found = {"name": name if equals else image, "newName": image if equals else "", "newTag": tag, "digest": digest}
    return {key: value for key, value in found.items() if value}


def _image_parts(text: str) -> tuple[str, str, str]:
    if "@" in text:
        image, _, digest = text.partition("@")
        return image, "", digest
    match = _TAGGED.fullmatch(text)
    return (match[1], match[2], "") if match else (text, "", "")


def _replicas(present: list[Any], overrides: list[Any]) -> list[dict[str, Any]]:
    by_name = {str(item.get("name")): item for item in present if isinstance(item, dict)}
    for item in overrides:
        count = item.get("count") if isinstance(item, dict) else None
        if not isinstance(item, dict) or not item.get("name") or not str(count).isdigit():
            raise InvalidInput("spec.source.kustomize.replicas: each needs a name and a count", reason="InvalidSource")
        by_name[str(item["name"])] = {"name": str(item["name"]), "count": int(str(count))}
    return list(by_name.values())


def _add_labels(result: Kustomization, options: Mapping[str, Any], env: Mapping[str, str]) -> None:
    labels = {key: substitute(value, env) for key, value in _map(options, "commonLabels").items()}
    if not labels:
        return
    if options.get("labelWithoutSelector"):
        entry = {"pairs": labels, "includeTemplates": bool(options.get("labelIncludeTemplates"))}
        result["labels"] = [*_list(result.get("labels")), entry]
        return
    result["commonLabels"] = _added(result.get("commonLabels"), labels, bool(options.get("forceCommonLabels")), "Label")


def _add_annotations(result: Kustomization, options: Mapping[str, Any], env: Mapping[str, str]) -> None:
    annotations = _map(options, "commonAnnotations")
    if options.get("commonAnnotationsEnvsubst"):
        annotations = {key: substitute(value, env) for key, value in annotations.items()}
    if annotations:
        force = bool(options.get("forceCommonAnnotations"))
        result["commonAnnotations"] = _added(result.get("commonAnnotations"), annotations, force, "Annotation")


def _added(present: Any, new: dict[str, str], force: bool, what: str) -> dict[str, Any]:
    old = dict(present) if isinstance(present, dict) else {}
    doubled = sorted(old.keys() & new.keys())
    if doubled and not force:
        raise InvalidInput(
            f"{what.lower()} {', '.join(doubled)} is in the kustomization already: set "
            f"spec.source.kustomize.forceCommon{what}s: true to replace it",
            reason="InvalidSource",
        )
    return {**old, **new}


def _map(options: Mapping[str, Any], key: str) -> dict[str, str]:
    found = options.get(key) or {}
    if not isinstance(found, dict):
        raise InvalidInput(f"spec.source.kustomize.{key} is not a map: correct it", reason="InvalidSource")
    return {name: str(value) for name, value in found.items()}


def _list(value: Any, key: str = "") -> list[Any]:
    if value is not None and not isinstance(value, list):
        where = f"spec.source.kustomize.{key}" if key else "the kustomization"
        raise InvalidInput(f"{where}: a list is expected: correct it", reason="InvalidSource")
    return list(value or [])
