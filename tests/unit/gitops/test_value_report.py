"""What services say twice, otherwise than their charts, or for nobody."""

from typing import Any

import pytest

from shipway.gitops.value_report import HIDDEN, Chart, Duplicate, Override, Service, Unused, report_of, shown
from shipway.kube.objects.resource import Obj


def config(**data: str) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data}


def workload(kind: str, **env: str) -> Obj:
    pod = {"containers": [{"name": "c", "env": [{"name": k, "value": v} for k, v in env.items()]}]}
    template = {"template": {"spec": pod}}
    spec: dict[str, Any] = {"Pod": pod, "CronJob": {"jobTemplate": {"spec": template}}}.get(kind, template)
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "w"}, "spec": spec}


def chart(*own: dict[str, Any], used: set[str] | None = None, parts: set[str] | None = None) -> Chart:
    defaults = {"replicas": 1, "log": {"level": "info"}}
    layers = (("values.yaml", defaults), *((f"own-{n}", values) for n, values in enumerate(own)))
    return Chart(layers, None if used is None else frozenset(used), frozenset(parts or ()))


@pytest.mark.proves("002-12")
def test_the_same_key_and_value_in_so_many_services_is_a_duplicate() -> None:
    kinds = ("Deployment", "CronJob", "Pod")
    services = [Service(f"s{n}", (workload(kind, DB="db:5432", N=str(n)), config(REGION="eu"))) for n, kind in enumerate(kinds)]
    services.append(Service("s3", (config(REGION="us", DB="db:5432"),)))
    assert report_of(services, 3).duplicated == (
        Duplicate("DB", "db:5432", ("s0", "s1", "s2", "s3")),
        Duplicate("REGION", "eu", ("s0", "s1", "s2")),
    )
    assert report_of(services, 5).duplicated == ()


@pytest.mark.parametrize(
    ("key", "value", "is_shown"),
    [
        ("apiKey", "x", False),
        ("values:auth.existingToken", "x", False),
        ("DATABASE", "postgres://shop:hunter2@db/shop", False),
        ("DATABASE", "postgres://db:5432/shop", True),
        ("users", '[{"name":"a","password":"b"}]', False),
        ("NAME", "a password", True),
        ("PASSWORD", "", True),
    ],
)
def test_what_may_be_a_secret_is_hidden(key: str, value: str, is_shown: bool) -> None:
    assert shown(key, value) == (value if is_shown else HIDDEN)


def test_one_service_that_says_it_twice_is_one() -> None:
    assert report_of([Service("a", (config(X="1"), config(X="1"), workload("Job", X="1")))], 2).duplicated == ()


def test_files_and_secrets_are_no_settings_and_passwords_are_not_shown() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"K": "v"}, "data": {"L": "dg=="}}
    both = [Service(name, (secret, config(app="a: 1\nb: 2\n", DB_PASSWORD="hunter2", line="x\n"))) for name in "ab"]
    assert report_of(both, 2).duplicated == (Duplicate("DB_PASSWORD", HIDDEN, ("a", "b")), Duplicate("line", "x", ("a", "b")))


@pytest.mark.proves("002-12")
def test_values_said_alike_but_not_the_defaults_of_the_chart() -> None:
    services = [Service(name, charts=(chart({"replicas": 1, "zone": ["a"]}),)) for name in "ab"]
    assert report_of(services, 2).duplicated == (Duplicate("values:zone", '["a"]', ("a", "b")),)


@pytest.mark.proves("002-12")
def test_overridden_defaults_name_the_winner() -> None:
    service = Service("a", charts=(chart({"replicas": 2, "log": {"level": "info"}}, {"replicas": 3, "new": 1}),))
    assert report_of([service], 2).overridden == (
        Override("a", "log.level", "info", "info", "own-0", says_the_same=True),
        Override("a", "replicas", "1", "3", "own-1", says_the_same=False),
    )


@pytest.mark.proves("002-12")
@pytest.mark.parametrize(
    ("used", "unused"),
    [
        ({"replicas", "log.level", "extra"}, []),
        ({"replicas", "log", "extra.deep.er"}, []),
        ({"replicas"}, [("extra.deep", "own-0"), ("log.level", "values.yaml")]),
        (None, []),
    ],
)
def test_what_no_template_asks_for(used: set[str] | None, unused: list[tuple[str, str]]) -> None:
    own = {"extra": {"deep": 1}, "global": {"x": 1}, "redis": {"port": 1}}
    service = Service("a", charts=(chart(own, used=used, parts={"redis"}),))
    assert report_of([service], 2).unused == tuple(Unused("a", key, by) for key, by in unused)


def test_a_chart_without_defaults_overrides_nothing() -> None:
    bare = Chart((("own", {"a": 1}),), frozenset(), has_defaults=False)
    report = report_of([Service("a", charts=(bare,))], 2)
    assert (report.overridden, report.unused) == ((), (Unused("a", "a", "own"),))
