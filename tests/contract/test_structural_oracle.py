"""Pruning, defaulting and validation of custom resources, and what a CRD's schema may be: our pure functions come to what a
real API server answered (see `contract_table`)."""

import pytest

from shipway.kube.objects.schema import crd_schema
from shipway.kube.objects.structural import fill_defaults, prune, structural_problems, unknown_fields, validate
from tests.contract.contract_table import golden
from tests.contract.structural_cases import OBJECTS, SCHEMAS, STRICT
from tests.contract.structural_oracle import thing


@pytest.mark.parametrize("name", OBJECTS)
def test_objects(name: str) -> None:
    recorded, schema, given = golden()[f"crds/object: {name}"], crd_schema(STRICT), thing(OBJECTS[name])
    settled = fill_defaults(prune(given, schema), schema)
    problems = sorted([p.path, p.type, p.detail] for p in validate(settled, schema))
    assert problems == recorded["causes"]
    if not problems:
        assert settled["spec"] == recorded["spec"]
        assert sorted(f'unknown field "{path}"' for path in unknown_fields(given, schema)) == recorded["warnings"]


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas(name: str) -> None:
    assert sorted([p.path, p.type, p.detail] for p in structural_problems(SCHEMAS[name])) == golden()[f"crds/schema: {name}"]
