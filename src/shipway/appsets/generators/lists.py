"""The list generator: what users write down themselves."""

from typing import Any

from shipway.api.applicationset import ListGenerator
from shipway.appsets.parameters import flat, text_of
from shipway.appsets.scene import Params, Scene, bounded
from shipway.base.errors import InvalidInput
from shipway.kube.objects import yaml


def entries_of_list(block: ListGenerator, scene: Scene, where: str) -> list[Params]:
    """One entry an element. Raises InvalidInput for text that is no list of objects."""
    elements: list[Any] = list(block.elements or ())
    if block.elements_yaml:
        elements += _read(block.elements_yaml, where)
    bounded(len(elements), where)
    return [dict(one) if scene.dialect.is_go else _flat(one) for one in elements]


def _read(text: str, where: str) -> list[Any]:
    try:
        found = yaml.load(text)
    except InvalidInput as error:
        raise InvalidInput(f"{where}.elementsYaml: {error.message}") from None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise InvalidInput(f"{where}.elementsYaml: it is no list of objects")
    return found


def _flat(element: dict[str, Any]) -> Params:
    """Texts as they are; what is nested under dotted names."""
    return {name: text_of(value) for name, value in flat(element)}
