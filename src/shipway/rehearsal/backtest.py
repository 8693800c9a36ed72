"""A template replayed over past releases: which good ones it would have thrown out, which bad ones it would have missed."""

from collections.abc import Sequence
from statistics import median

import orjson
from msgspec import Struct

from shipway.api.kinds import ROLLOUTS
from shipway.base.durations import format_duration, parse_duration
from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of
from shipway.rehearsal.measures import templates_of
from shipway.rehearsal.performance import Play, rehearse
from shipway.rehearsal.recording import Recording, read_recording


class Release(Struct, frozen=True):
    """A past release: `bad_from`: seconds after its start from which it was bad; None: it was good."""

    name: str
    recording: Recording
    bad_from: float | None = None


class Verdict(Struct, frozen=True):
    """`detected_after`: seconds from when it was bad until it was thrown out."""

    release: str
    is_bad: bool
    is_caught: bool
    outcome: str
    at: float
    detected_after: float | None
    message: str

    @property
    def judgement(self) -> str:
        if self.is_bad:
            return "caught" if self.is_caught else "MISSED"
        return "FALSE ABORT" if self.is_caught else "passed"


class Backtest(Struct, frozen=True):
    """The verdicts on all releases."""

    verdicts: tuple[Verdict, ...]

    def named(self, judgement: str) -> list[str]:
        return [one.release for one in self.verdicts if one.judgement == judgement]

    @property
    def is_right(self) -> bool:
        return not self.named("MISSED") and not self.named("FALSE ABORT")

    @property
    def time_to_detect(self) -> float | None:
        """The median, in seconds."""
        times = [one.detected_after for one in self.verdicts if one.detected_after is not None and one.is_bad]
        return median(times) if times else None

    @property
    def sentence(self) -> str:
        good = sum(not one.is_bad for one in self.verdicts)
        bad = len(self.verdicts) - good
        false, missed, time = self.named("FALSE ABORT"), self.named("MISSED"), self.time_to_detect
        return (
            f"{len(false)} of {good} good releases thrown out{_names(false)}, "
            f"{len(missed)} of {bad} bad ones missed{_names(missed)}"
            + (f", detected after {format_duration(time)} (median)" if time is not None else "")
        )


def _names(names: Sequence[str]) -> str:
    return f" ({', '.join(names)})" if names else ""


def read_releases(text: str) -> list[Release]:
    """`{"releases": [{"name": "v12", "bad": true, "bad_from": "2m", "series": {…}}, …]}`. Raises InvalidInput."""
    try:
        document = orjson.loads(text)
        raw: list[Obj] = document["releases"]
        names = [str(one["name"]) for one in raw]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise InvalidInput(f'give {{"releases": [{{"name": "v12", "bad": true, "series": {{…}}}}]}}: {error!r}') from None
    return [_release(name, one) for name, one in zip(names, raw, strict=True)]


def _release(name: str, raw: Obj) -> Release:
    recorded = {key: value for key, value in raw.items() if key not in ("name", "bad", "bad_from")}
    try:
        bad_from = parse_duration(str(raw["bad_from"])) if "bad_from" in raw else 0.0
        recording = read_recording(orjson.dumps(recorded).decode())
    except (ValueError, InvalidInput) as error:
        raise InvalidInput(f"release {name}: {error}") from None
    return Release(name, recording, bad_from if raw.get("bad") else None)


def backtest(objs: Sequence[Obj], releases: Sequence[Release], span: float, args: Sequence[Obj] = ()) -> Backtest:
    """Replays the Rollout of `objs`, or else all their templates in the background of `span` seconds at half the traffic."""
    others = [obj for obj in objs if obj.get("kind") != ROLLOUTS.kind]
    rollout = next((obj for obj in objs if obj.get("kind") == ROLLOUTS.kind), None) or _plain_rollout(others, span, args)
    return Backtest(tuple(_judge(rollout, others, release) for release in releases))


def _judge(rollout: Obj, others: Sequence[Obj], release: Release) -> Verdict:
    seen = rehearse(Play(rollout, tuple(others), release.recording, pod_start=0.0))
    ending, is_bad = seen.ending, release.bad_from is not None
    after = max(0.0, ending.at - release.bad_from) if release.bad_from is not None and seen.is_caught else None
    return Verdict(release.name, is_bad, seen.is_caught, ending.outcome, ending.at, after, ending.message)


def _plain_rollout(others: Sequence[Obj], span: float, args: Sequence[Obj]) -> Obj:
    refs = [{"templateName": ref.template_name, "clusterScope": ref.cluster_scope} for ref in templates_of(others)]
    if not refs:
        raise InvalidInput("no AnalysisTemplate in the files")
    labels = {"app": name_of(others[0]) or "release"}
    steps = [{"setWeight": 50}, {"pause": {"duration": round(span)}}]
    spec = {
        "replicas": 2,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "app"}]}},
        "strategy": {"canary": {"steps": steps, "analysis": {"templates": refs, "args": list(args)}}},
    }
    return {"apiVersion": ROLLOUTS.api_version, "kind": ROLLOUTS.kind, "metadata": {"name": "release"}, "spec": spec}
