"""The story of v3 before it is told: the shop's own Rollout and analysis, rehearsed.

What the proxy's counter would show is worked out from the weights: the canary Service carried v2 until it was promoted, and
its requests stay in the window for five seconds, so that v3's failures are thin at first. The weights that v3 would have
without any failure give the figures; they are the same up to the moment at which it is thrown out.
"""

from importlib.resources import files
from string import Template
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from shipway.api.kinds import ROLLOUTS
from shipway.demo.stage import RATE
from shipway.kube.objects.patches import merge_patch
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.yaml import load_all
from shipway.rehearsal.performance import Play, rehearse
from shipway.rehearsal.recording import Fault, Points, Recording, Shape, steady
from shipway.rehearsal.timeline import Timeline, document_of

METRIC = "error-rate"
WINDOW = 5.0
"""Seconds that the shop's analysis looks back."""
BAD_SHARE = 0.3
"""The share of its requests that v3 fails."""
PUSH_TO_PODS = 0.5
"""Seconds from the promotion of v2 to v3's first ready pod: a commit, a render, an apply and a process."""
TICK = 0.25
NAMES = ("analysis.yaml", "rollout.yaml", "route.yaml")


class DemoRehearsal(Struct, frozen=True):
    """The good release, and the bad one that begins where it ends."""

    good: Timeline
    bad: Timeline

    def report(self) -> dict[str, Any]:
        """For programs; `ok` if both releases end as the story tells. Times count from the promotion of v2."""
        ending = self.bad.ending
        return {
            "ok": self.good.ending.outcome == "promoted" and self.bad.is_caught,
            "story": "rehearse",
            "promoted": ["v2"] if self.good.ending.outcome == "promoted" else [],
            "aborted": ["v3"] if self.bad.is_caught else [],
            "bad_step_weight_pct": ending.weight,
            "bad_caught_after_s": ending.at,
            "bad_exposed_requests": self.bad.exposed,
            "why": ending.message,
            "timeline": document_of(self.bad),
        }


def rehearse_demo() -> DemoRehearsal:
    """v2 is promoted and v3 thrown out, as in the story."""
    objs = _manifests()
    rollout = next(obj for obj in objs if obj["kind"] == ROLLOUTS.kind)
    others = tuple(obj for obj in objs if obj is not rollout)
    play = Play(
        _in_shop(rollout), tuple(map(_in_shop, others)), Recording({METRIC: Fault(0.0, 0.0)}, steady(RATE)), PUSH_TO_PODS
    )
    good = rehearse(play)
    figures = _failure_ratio(before=good, after=good)
    return DemoRehearsal(good, rehearse(replace(play, recording=play.recording.with_series(METRIC, figures))))


def _manifests() -> list[Obj]:
    web = files("shipway.demo") / "shop" / "apps" / "web"
    texts = [Template((web / name).read_text()).safe_substitute(metrics_url="http://shop", web_image="web") for name in NAMES]
    return [obj for text in texts for obj in load_all(text)]


def _in_shop(obj: Obj) -> Obj:
    return merge_patch(obj, {"metadata": {"namespace": "shop"}})


def _failure_ratio(*, before: Timeline, after: Timeline) -> Shape:
    """What `window.failure_ratio` of web-canary is while `after` runs, right behind `before`."""
    ticks = [index * TICK for index in range(int(after.ending.at / TICK) + 1)]
    return Points(tuple(ticks), tuple(_ratio_at(tick, before, after) for tick in ticks))


def _ratio_at(at: float, before: Timeline, after: Timeline) -> float:
    end = before.ending.at
    good = _weight_seconds(before, end + at - WINDOW, end)
    bad = _weight_seconds(after, max(0.0, at - WINDOW), at)
    return round(BAD_SHARE * bad / (good + bad), 6) if good + bad else 0.0


def _weight_seconds(timeline: Timeline, start: float, end: float) -> float:
    """The area under the weight, which is in proportion to the requests."""
    moments = timeline.moments
    ends = [*(one.at for one in moments[1:]), max(end, timeline.ending.at)]
    return sum(one.weight * max(0.0, min(end, until) - max(start, one.at)) for one, until in zip(moments, ends, strict=True))
