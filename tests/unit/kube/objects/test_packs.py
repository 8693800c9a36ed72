"""The committed schema packs are what their script makes, small, and about this Kubernetes."""

import importlib.util
from pathlib import Path
from types import ModuleType

from shipway.kube.objects import packs

ROOT = Path(__file__).resolve().parents[4]
FOLDER = ROOT / "src" / "shipway" / "kube" / "objects" / "packs"


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_schema_pack", ROOT / "scripts" / "make_schema_pack.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_packs_are_what_the_script_makes() -> None:
    made = script().packs()
    assert made["schemas.json.gz"] == {"definitions": packs.definitions(), "kinds": packs.kinds()}
    assert made["descriptions.json.gz"] == packs.descriptions()


def test_the_packs_are_small() -> None:
    assert (FOLDER / "schemas.json.gz").stat().st_size < 60_000
    assert (FOLDER / "descriptions.json.gz").stat().st_size < 300_000


def test_every_reference_leads_somewhere() -> None:
    definitions = packs.definitions()
    assert packs.kinds()["apps/v1/Deployment"] in definitions
    assert set(packs.kinds().values()) <= set(definitions)
    assert set(packs.descriptions()) == set(definitions)
