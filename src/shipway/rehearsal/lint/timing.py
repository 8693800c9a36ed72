"""Measurements that come too late, too seldom or for ever, and rates over too short a window."""

import re
from collections.abc import Iterator

from shipway.api.rollout import RolloutSpec
from shipway.base.durations import format_duration, parse_duration
from shipway.rehearsal.lint.findings import Finding, Subject

WINDOW = re.compile(r"\[([0-9a-z]+)(?::[0-9a-z]*)?\]")
RATES = re.compile(r"\b(rate|irate|increase|delta|idelta|deriv)\s*\(")


def find(subject: Subject) -> Iterator[Finding]:
    yield from _window(subject)
    yield from _endless(subject)
    yield from _too_long(subject)


def _window(subject: Subject) -> Iterator[Finding]:
    """A rate needs two points; one scrape that is late must not leave it with one."""
    if not RATES.search(subject.query):
        return
    for text in dict.fromkeys(WINDOW.findall(subject.query)):
        try:
            window = parse_duration(text)
        except ValueError:
            continue
        if window < 2 * subject.scrape:
            scrape = format_duration(subject.scrape)
            told = f"a rate over [{text}] has fewer than two points when the server scrapes every {scrape}"
            yield Finding("window", "provider", told, f"use a window of at least {format_duration(4 * subject.scrape)}")


def _endless(subject: Subject) -> Iterator[Finding]:
    metric = subject.metric
    if metric.interval is not None and metric.count is None and metric.consecutive_success_limit == 0 and not metric.is_job:
        used = sorted(subject.kinds - {"background"})
        if used:
            told = f"it measures for ever, and the {used[0]} analysis that uses it waits for its end"
            yield Finding("interval", "interval", told, "add a count")


def _too_long(subject: Subject) -> Iterator[Finding]:
    """A background analysis ends when the last pause does: what is measured later decides nothing."""
    lasts = _pauses(subject.spec) if subject.spec is not None and "background" in subject.kinds else None
    metric = subject.metric
    if lasts is None:
        return
    interval = metric.interval or 0.0
    if metric.initial_delay >= lasts:
        told = f"the first measurement comes after {format_duration(metric.initial_delay)}, the pauses of the strategy are "
        yield Finding("interval", "initialDelay", f"{told}{format_duration(lasts)} together", "shorten it or pause longer")
    elif metric.failure_limit >= 0 and metric.initial_delay + interval * metric.failure_limit > lasts:
        needed = metric.failure_limit + 1
        told = f"{needed} failed measurements throw a release out, and no more than "
        fit = int((lasts - metric.initial_delay) / interval) + 1
        told += f"{fit} fit into the {format_duration(lasts)} of the strategy's pauses"
        yield Finding("interval", "failureLimit", told, "lower failureLimit, measure more often, or pause longer")
    elif metric.count is not None and metric.initial_delay + interval * (metric.count - 1) > lasts:
        needed = metric.initial_delay + interval * (metric.count - 1)
        told = f"count x interval takes {format_duration(needed)}, "
        told += f"the pauses of the strategy are {format_duration(lasts)} together"
        yield Finding("interval", "count", told, "lower count, measure more often, or pause longer")


def _pauses(spec: RolloutSpec) -> float | None:
    """Seconds of all pauses together; None where a person or another analysis ends one."""
    canary = spec.strategy.canary
    if canary is None or not canary.steps or any(step.analysis is not None for step in canary.steps):
        return None
    pauses = [step.pause for step in canary.steps if step.pause is not None]
    return None if any(pause.duration is None for pause in pauses) else float(sum(pause.seconds for pause in pauses))
