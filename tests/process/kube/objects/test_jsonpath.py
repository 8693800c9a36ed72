"""JSONPath as kubectl, with the real Go code, reads it."""

import json
import subprocess
from collections.abc import Callable

import pytest

from shipway.kube.objects.jsonpath import find
from tests.unit.kube.objects.test_jsonpath import OBJ

SAME_AS_KUBECTL = [
    "{.things[*].metadata.name}",
    "{.things[-1:].metadata.name}",
    "{.things[0,1].metadata.name}",
    "{.things[*]['metadata.name', 'status.n']}",
    r"{.things[0].metadata.labels.a\.b/c}",
    "{.users[?(@.name=='e2e')].user.password}",
    "{.users[?(@.user.username)].name}",
    "{.things[?(@.status.n >= 4)].status.n}",
    "{..status.n}",
    "{..conditions[0].type}",
    "{.nothing.at.all}",
    "{.users[*]['name']}",
]


@pytest.mark.parametrize("expression", SAME_AS_KUBECTL)
def test_as_kubectl(expression: str, program: Callable[[str], str]) -> None:
    obj = {key: value for key, value in OBJ.items() if key != "items"}
    obj |= {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "x"}, "things": OBJ["items"]}
    command = [program("kubectl"), "annotate", "--local", "-f", "-", "a=b", "-o", f"jsonpath={expression}"]
    done = subprocess.run(command, input=json.dumps(obj), capture_output=True, text=True, timeout=30, check=True)
    assert " ".join(str(value) for value in find(expression, obj)) == done.stdout
