"""What a node does next for a pod, and the status it reports: tables over the pure functions."""

import pytest

from shipway.base.clock import Instant, rfc3339
from shipway.localcluster.node.containers import Container, Exit, fresh, restored
from shipway.localcluster.node.decide import Observed, backoff_seconds, decide, failures_after
from shipway.localcluster.node.status import pod_status

NOW = Instant(1_000_000.0)


def pod(*, init=(), status=None, deleting=False, meta=None, containers=None, **spec):
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web-1", "namespace": "shop", "uid": "u-1", **(meta or {})},
        "spec": {"containers": containers or [{"name": "web", "image": "nginx:1.27"}], **spec},
        "status": status or {},
    }
    if init:
        body["spec"]["initContainers"] = list(init)
    if deleting:
        body["metadata"] |= {"deletionTimestamp": rfc3339(NOW + 30), "deletionGracePeriodSeconds": 7}
    return body


def seen(pod, *containers, **more):
    return Observed(pod, containers or fresh(pod), ip="10.244.0.2", started_at=Instant(NOW - 1), **more)


def ended(name="web", code=1, ago=0.0, failures=1, restarts=0):
    end = Exit(code, Instant(NOW - ago), Instant(NOW - ago - 1), id="simulated://x")
    return Container(name, "terminated", exit=end, failures=failures, restarts=restarts)


def running(name="web", *, ready=True, **more):
    return Container(name, "running", started_at=Instant(NOW - 5), id="simulated://x", is_started=True, is_ready=ready, **more)


INIT = {"name": "setup", "image": "busybox", "command": ["true"]}
SIDECAR = {"name": "mesh", "image": "envoy", "restartPolicy": "Always"}


@pytest.mark.parametrize(
    ("case", "observed", "start", "stop", "wake"),
    [
        ("a fresh pod starts its containers", seen(pod()), ("web",), (), None),
        ("what runs is left alone", seen(pod(), running()), (), (), None),
        ("init containers go first", seen(pod(init=[INIT])), ("setup",), (), None),
        ("…and hold back the others", seen(pod(init=[INIT]), running("setup"), Container("web")), (), (), None),
        ("…until they are done", seen(pod(init=[INIT]), ended("setup", 0), Container("web")), ("web",), (), None),
        (
            "a failed init container is tried again",
            seen(pod(init=[INIT]), ended("setup", 1), Container("web")),
            ("setup",),
            (),
            None,
        ),
        (
            "…but not with restartPolicy Never",
            seen(pod(init=[INIT], restartPolicy="Never"), ended("setup", 1), Container("web")),
            (),
            (),
            None,
        ),
        ("a sidecar starts before the rest", seen(pod(init=[SIDECAR])), ("mesh",), (), None),
        ("…which follow once it started", seen(pod(init=[SIDECAR]), running("mesh"), Container("web")), ("web",), (), None),
        (
            "…and it is stopped when they are done",
            seen(pod(init=[SIDECAR], restartPolicy="Never"), running("mesh"), ended(code=0)),
            (),
            ("mesh",),
            None,
        ),
        ("the first crash restarts at once", seen(pod(), ended()), ("web",), (), None),
        ("the second waits 10 s", seen(pod(), ended(failures=2, ago=4)), (), (), NOW + 6),
        ("…and no longer", seen(pod(), ended(failures=2, ago=10)), ("web",), (), None),
        ("…scaled for tests", seen(pod(), ended(failures=2, ago=0.5), backoff_scale=0.1), (), (), NOW + 0.5),
        ("OnFailure restarts failures", seen(pod(restartPolicy="OnFailure"), ended()), ("web",), (), None),
        ("…and not successes", seen(pod(restartPolicy="OnFailure"), ended(code=0)), (), (), None),
        ("Always restarts successes", seen(pod(), ended(code=0)), ("web",), (), None),
        ("Never restarts nothing", seen(pod(restartPolicy="Never"), ended()), (), (), None),
        (
            "an image that is missing is not started",
            seen(pod(containers=[{"name": "web", "image": "x:missing"}])),
            (),
            (),
            None,
        ),
        ("a start that failed waits", seen(pod(), Container("web", not_before=Instant(NOW + 2))), (), (), NOW + 2),
        ("deletion stops", seen(pod(deleting=True), running()), (), ("web",), None),
        ("a failed liveness probe stops", seen(pod(), running(is_unhealthy=True)), (), ("web",), None),
        ("a changed image stops", seen(pod(), running(image="nginx:1.26")), (), ("web",), None),
        ("a deadline wakes", seen(pod(activeDeadlineSeconds=60), running()), (), (), NOW + 59),
        ("…and stops", seen(pod(activeDeadlineSeconds=1), running()), (), ("web",), None),
        ("a finished pod stays finished", seen(pod(status={"phase": "Failed"}), ended()), (), (), None),
    ],
)
def test_decide(case, observed, start, stop, wake):
    decision = decide(observed, NOW)
    assert decision.start == start, case
    assert tuple(s.name for s in decision.stop) == stop, case
    assert decision.wake == wake, case


def test_a_deletion_is_over_once_everything_ended():
    assert not decide(seen(pod(deleting=True), running()), NOW).is_over
    assert not decide(seen(pod(deleting=True), Container("web", "starting")), NOW).is_over
    assert decide(seen(pod(deleting=True), ended(code=0)), NOW).is_over
    assert decide(seen(pod(deleting=True)), NOW).is_over


def test_the_grace_is_the_deletions_own():
    assert decide(seen(pod(deleting=True, terminationGracePeriodSeconds=60), running()), NOW).stop[0].grace_seconds == 7


def test_backoff_doubles_to_five_minutes_and_is_forgotten_after_ten_good_ones():
    assert [backoff_seconds(n) for n in range(9)] == [0, 0, 10, 20, 40, 80, 160, 300, 300]
    assert failures_after(running(failures=5), NOW, 1.0) == 6
    assert failures_after(running(failures=5), Instant(NOW + 700), 1.0) == 1


def conditions(status):
    return {c["type"]: c["status"] for c in status["conditions"]}


@pytest.mark.parametrize(
    ("case", "observed", "phase", "ready", "state"),
    [
        ("fresh", seen(pod()), "Pending", "False", {"waiting": {"reason": "ContainerCreating"}}),
        ("running", seen(pod(), running()), "Running", "True", {"running": {"startedAt": rfc3339(NOW - 5)}}),
        ("not ready yet", seen(pod(), running(ready=False)), "Running", "False", {"running": {"startedAt": rfc3339(NOW - 5)}}),
        (
            "init runs",
            seen(pod(init=[INIT]), running("setup"), Container("web")),
            "Pending",
            "False",
            {"waiting": {"reason": "PodInitializing"}},
        ),
        (
            "crashed",
            seen(pod(), ended(failures=2)),
            "Running",
            "False",
            {
                "waiting": {
                    "reason": "CrashLoopBackOff",
                    "message": "back-off 10s restarting failed container=web pod=web-1_shop(u-1)",
                }
            },
        ),
        (
            "no such image",
            seen(pod(containers=[{"name": "web", "image": "x:missing"}])),
            "Pending",
            "False",
            {"waiting": {"reason": "ErrImagePull", "message": 'failed to pull image "x:missing": not found'}},
        ),
        (
            "no such image, and it was said",
            seen({**pod(containers=[{"name": "web", "image": "x:missing"}]), "status": {"containerStatuses": [{}]}}),
            "Pending",
            "False",
            {"waiting": {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "x:missing"'}},
        ),
        (
            "config missing",
            seen(pod(), Container("web", reason="CreateContainerConfigError", message="no", not_before=Instant(NOW + 1))),
            "Pending",
            "False",
            {"waiting": {"reason": "CreateContainerConfigError", "message": "no"}},
        ),
    ],
)
def test_status(case, observed, phase, ready, state):
    status = pod_status(observed, NOW)
    assert status["phase"] == phase, case
    assert conditions(status)["Ready"] == ready, case
    assert status["containerStatuses"][0]["state"] == state, case


@pytest.mark.parametrize(
    ("policy", "code", "phase"), [("Never", 0, "Succeeded"), ("Never", 3, "Failed"), ("OnFailure", 0, "Succeeded")]
)
def test_a_pod_that_ran_to_its_end(policy, code, phase):
    status = pod_status(seen(pod(restartPolicy=policy), ended(code=code)), NOW)
    assert status["phase"] == phase
    assert status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == code
    assert conditions(status)["Ready"] == "False"


def test_a_failed_init_container_fails_the_pod():
    status = pod_status(seen(pod(init=[INIT], restartPolicy="Never"), ended("setup", 2), Container("web")), NOW)
    assert status["phase"] == "Failed"


def test_a_passed_deadline_fails_the_pod():
    status = pod_status(seen(pod(activeDeadlineSeconds=1), ended(code=143)), NOW)
    assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")


def test_readiness_gates_hold_ready_back():
    gated = pod(readinessGates=[{"conditionType": "mesh/ok"}])
    status = pod_status(seen(gated, running()), NOW)
    assert conditions(status)["Ready"] == "False"
    assert conditions(status)["ContainersReady"] == "True"
    gated["status"] = {"conditions": [{"type": "mesh/ok", "status": "True"}]}
    assert conditions(pod_status(seen(gated, running()), NOW))["Ready"] == "True"


def test_a_condition_keeps_its_time_while_its_status_stays():
    old = [{"type": "Ready", "status": "True", "lastTransitionTime": "2020-01-01T00:00:00Z"}]
    status = pod_status(seen(pod(status={"conditions": old}), running()), NOW)
    times = {c["type"]: c["lastTransitionTime"] for c in status["conditions"]}
    assert times["Ready"] == "2020-01-01T00:00:00Z"
    assert times["ContainersReady"] == rfc3339(NOW)


def test_a_restarted_node_reads_back_what_it_wrote():
    subject = pod(restartPolicy="Always")
    for container in (running(), ended(failures=2), Container("web")):
        subject["status"] = pod_status(seen(subject, container), NOW)
        (back,) = restored(subject, NOW)
        assert back.phase == container.phase
        assert (back.exit is None) == (container.exit is None)


def test_what_is_simulated_stays_ready_while_its_node_restarts():
    subject = pod()
    subject["status"] = pod_status(seen(subject, running()), NOW)
    again = pod_status(seen(subject, *restored(subject, NOW)), NOW)
    assert again == subject["status"]


def test_a_process_died_with_its_node_and_a_simulation_did_not():
    subject = pod()
    for identifier, phase in (("simulated://x", "running"), ("process://12", "terminated")):
        container = Container("web", "running", id=identifier, started_at=NOW, is_started=True, is_ready=True)
        subject["status"] = pod_status(seen(subject, container), NOW)
        assert restored(subject, NOW)[0].phase == phase
    assert restored(subject, NOW)[0].exit.reason == "ContainerStatusUnknown"
