"""What the ledger is told of an Application, read off the object."""

import msgspec
import pytest

from shipway.api.ledger import Entry, Place
from shipway.base.errors import Unavailable
from shipway.gitops.annotations import LEDGER, UNRECORDED
from shipway.gitops.asks import RecordAsk, UrgentRecordAsk
from shipway.gitops.ledger import LONGEST, MOST_NAMES, act, ask_of, ledger_of, remembered_on, riding, waiting_on
from shipway.kube.objects.resource import Obj
from shipway.kube.runtime.decision import Answer

SOURCE = {"repoURL": "https://ada:hunter2@git.example/shop.git", "path": "web", "targetRevision": "main"}
HERE = Place(7, "ab")


def state_of(identity: str = "op-1", **more: object) -> Obj:
    return {
        "phase": "Succeeded",
        "startedAt": "2026-01-01T00:00:00Z",
        "finishedAt": "2026-01-01T00:00:09Z",
        "operation": {"sync": {}, "info": [{"name": "shipway.dev/operation", "value": identity}]},
        "syncResult": {"revision": "a" * 40, "source": SOURCE},
        **more,
    }


def app_of(state: Obj, **annotations: str) -> Obj:
    meta = {"namespace": "argocd", "name": "shop", "uid": "uid", "resourceVersion": "5"}
    named = {name: text for name, text in (("LEDGER", LEDGER), ("UNRECORDED", UNRECORDED)) if name in annotations}
    return {
        "metadata": {**meta, "annotations": {key: annotations[name] for name, key in named.items()}},
        "status": {"operationState": state},
    }


def entry_in(app: Obj) -> Entry:
    return msgspec.json.decode(asked(app).entries[-1], type=Entry)


def asked(app: Obj) -> RecordAsk:
    ask = ask_of(app)
    assert ask is not None
    return ask


def answered(app: Obj, place: Place | None = HERE) -> Obj:
    """What rides on the next write that keeps the operation."""
    return riding(app, ledger_of(asked(app), Answer(place)), app["status"]["operationState"])


def test_nothing_that_is_secret_gets_into_an_entry() -> None:
    state = state_of()
    state["operation"]["sync"] = {"manifests": ['{"kind": "Secret", "stringData": {"password": "s3cret"}}']}
    source = {**SOURCE, "helm": {"parameters": [{"name": "password", "value": "s3cret"}]}}
    text = repr(entry_in(app_of({**state, "syncResult": {"revision": "a" * 40, "source": source}})))
    assert "hunter2" not in text and "s3cret" not in text
    assert "https://git.example/shop.git" in text


def test_what_is_long_is_cut() -> None:
    rows = [{"kind": "ConfigMap", "namespace": "shop", "name": f"c-{n}", "status": "Pruned"} for n in range(200)]
    state = state_of(message="x" * 5000, syncResult={"revision": "a" * 40, "source": SOURCE, "resources": rows})
    entry = entry_in(app_of(state))
    assert (len(entry.message), len(entry.pruned), entry.counts) == (LONGEST, MOST_NAMES, {"pruned": 200})


@pytest.mark.parametrize(
    "state",
    [
        {},
        state_of(phase="Running"),
        state_of(phase="Terminating"),
        state_of(operation={"sync": {}}),  # another engine's: it has no identity of ours
    ],
)
def test_what_has_not_ended_or_is_not_ours_is_not_recorded(state: Obj) -> None:
    assert ask_of(app_of(state)) is None


def test_what_is_remembered_is_not_asked_again() -> None:
    app = app_of(state_of())
    riders = answered(app)
    app["metadata"]["annotations"] = riders
    assert remembered_on(app).place == HERE
    assert ask_of(app) is None
    assert entry_in(app_of(state_of("op-2"), LEDGER=riders[LEDGER])).id == "op-2"


def test_an_operation_that_takes_the_place_of_an_unrecorded_one_puts_that_down() -> None:
    app = app_of(state_of())
    nothing = ledger_of(asked(app), Answer(error=Unavailable("away")))
    assert riding(app, nothing, app["status"]["operationState"]) == {}, "the object still says it"
    riders = riding(app, nothing, state_of("op-2", phase="Running"))
    app["metadata"]["annotations"] = riders
    assert [one.id for one in waiting_on(app)] == ["op-1"]


def test_acts_wait_with_the_operation_and_go_together() -> None:
    app = app_of(state_of())
    app["metadata"]["annotations"] = act(app, "set", by="ada", at="", reason="x" * 5000)
    assert len(asked(app).entries) == 2
    assert len(waiting_on(app)[0].reason) == LONGEST
    assert answered(app)[UNRECORDED] is None


def test_an_application_that_goes_waits_for_the_answer() -> None:
    app = app_of(state_of())
    app["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    ask = ask_of(app)
    assert isinstance(ask, UrgentRecordAsk) and ask.wakes
    assert not ledger_of(ask, None).is_answered
    assert ledger_of(ask, Answer(error=Unavailable("away"))).is_answered


@pytest.mark.parametrize("text", ["", "{", "[]", '{"sequence": "seven"}', '[{"verb": 3}]'])
def test_annotations_that_somebody_spoilt_count_for_nothing(text: str) -> None:
    app = app_of(state_of(), LEDGER=text, UNRECORDED=text)
    assert (remembered_on(app).sequence, waiting_on(app)) == (0, ())
    assert entry_in(app).id == "op-1"
