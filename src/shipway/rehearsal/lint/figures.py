"""What only a recording knows: a metric that has no data, or has it with holes."""

from collections.abc import Iterator

from shipway.base.durations import format_duration
from shipway.rehearsal.lint.findings import Finding, Subject
from shipway.rehearsal.recording import Points, Vector


def find(subject: Subject) -> Iterator[Finding]:
    recording, metric = subject.recording, subject.metric
    if recording is None or metric.is_job:
        return
    shape = recording.find(metric.name, subject.provider)
    is_empty = (isinstance(shape, Points) and not shape.times) or (isinstance(shape, Vector) and not shape.members)
    if shape is None or is_empty:
        yield Finding(
            "no-data", "provider", "the recording has no data for it", "check the query's labels and the metric's name"
        )
    elif isinstance(shape, Points):
        for before, after in shape.gaps():
            told = f"there is no data between {format_duration(before)} and {format_duration(after)}"
            yield Finding("no-data", "provider", told, "say in the condition what no data means, like `len(result) == 0 || …`")
