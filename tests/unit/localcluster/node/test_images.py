"""The allow-list: what an image means on this node."""

import pytest

from shipway.localcluster.node.images import Echo, Simulated, Unpullable, Unstartable, recipe, split_image

JOB = {"ownerReferences": [{"kind": "Job", "name": "j", "controller": True}]}


def of(image="busybox", command=None, args=None, is_init=False, container=None, **meta):
    container = (
        {"name": "c", "image": image, **(container or {})}
        | ({"command": command} if command else {})
        | ({"args": args} if args else {})
    )
    return recipe({"metadata": {"name": "p", "uid": "u", **meta}}, container, is_init=is_init)


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("nginx", ("nginx", "latest")),
        ("nginx:1.27", ("nginx", "1.27")),
        ("host:5000/a/b", ("host:5000/a/b", "latest")),
        ("host:5000/a/b:v2", ("host:5000/a/b", "v2")),
        ("a/b@sha256:00", ("a/b", "sha256:00")),
    ],
)
def test_split_image(image, parts):
    assert split_image(image) == parts


def test_only_the_builtin_image_is_a_process():
    assert of("builtin/echo:v2") == Echo("v2")
    assert of("builtin/echo:v3") == Echo("v3", (("ERROR_PER_TEN", "3"),))
    assert isinstance(of("evil/builtin/echo:v2"), Simulated)
    assert isinstance(of("builtin/echo:v2", command=["sh", "-c", "rm -rf /"]), Simulated)


@pytest.mark.parametrize("image", ["x:missing", "x:does-not-exist", "builtin/echo:error", "nginx:1.19-error"])
def test_some_tags_cannot_be_pulled(image):
    assert isinstance(of(image), Unpullable)


@pytest.mark.parametrize(
    ("command", "seconds", "code"),
    [
        (["sleep", "5"], 5, 0),
        (["sh", "-c", "sleep 1.5; exit 3"], 1.5, 3),
        (["sh", "-c", "sleep 1; sleep 2m && exit 0"], 121, 0),
        (["sleep", "infinity"], None, 0),
        (["false"], 0, 1),
        (["/bin/true"], 0, 0),
        (["exit 4"], 0, 4),
        (["nginx", "-g", "daemon off;"], None, 0),
    ],
)
def test_sleep_and_exit_are_honoured(command, seconds, code):
    found = of(command=command)
    assert isinstance(found, Simulated)
    assert (found.run_seconds, found.exit_code) == (seconds, code)


def test_jobs_and_init_containers_end_by_themselves():
    assert of(command=["migrate"], **JOB).run_seconds is not None
    assert of(command=["migrate"], is_init=True).run_seconds is not None
    assert of(command=["migrate"]).run_seconds is None


@pytest.mark.parametrize(("text", "seconds"), [("5", 5), ("1.5", 1.5), ("250ms", 0.25), ("2m", 120)])
def test_readiness_may_be_delayed_by_annotation(text, seconds):
    assert of(annotations={"shipway.dev/simulate-ready-after": text}).ready_after_seconds == seconds


@pytest.mark.parametrize("uid", ["a", "b", "c"])
def test_by_default_it_takes_a_moment(uid):
    assert 0.1 <= of(uid=uid).ready_after_seconds <= 0.3


def test_the_delay_of_a_probe_and_the_sleep_of_a_hook_are_honoured():
    probes = {"readinessProbe": {"initialDelaySeconds": 10}, "startupProbe": {"initialDelaySeconds": 3}}
    hooks = {"postStart": {"exec": {"command": ["sleep", "5"]}}, "preStop": {"sleep": {"seconds": 4}}}
    plain, found = of(), of(container=probes | {"lifecycle": hooks})
    assert isinstance(found, Simulated) and isinstance(plain, Simulated)
    assert (found.probed_after_seconds, found.stop_seconds) == (10, 4)
    assert found.ready_after_seconds == plain.ready_after_seconds + 5


def test_some_commands_cannot_be_started():
    assert isinstance(of(command=["/bad-command2"]), Unstartable)
    assert isinstance(of(command=["sh", "-c", "/bad-command"]), Simulated)
