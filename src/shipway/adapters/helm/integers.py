"""Whole numbers of `--set` as Helm's own command keeps them, for the library, which takes all values as JSON.

JSON makes a float of every number, and a template prints the float 1234567 as 1.234567e+06: an image tag of digits alone would
not be found. So the chart's copy gets one template more. It lies deeper than all others, which is what Helm renders first,
and puts whole numbers where the command would have them. The values of a subchart are a part of its parent's; only globals are
copied for each chart.
"""

import json
import os
from typing import Any

from shipway.adapters.helm.setting import Int64

_DEEPER_THAN_ANY = 64
NAME = "shipway-integers.yaml"
_TEMPLATE = """\
{{- define "shipway.integers" -}}
{{- $at := .at -}}
{{- range $key, $wanted := .wanted -}}
{{- if and (kindIs "map" $at) (hasKey $at $key) -}}
{{- $old := get $at $key -}}
{{- if kindIs "string" $wanted -}}{{- $_ := set $at $key (int64 $wanted) -}}
{{- else if kindIs "slice" $old -}}
{{- $new := list -}}
{{- range $index, $item := $old -}}
{{- $one := get $wanted (toString $index) -}}
{{- if and $one (kindIs "string" $one) -}}{{- $new = append $new (int64 $one) -}}
{{- else -}}
{{- if $one -}}{{- template "shipway.integers" (dict "at" $item "wanted" $one) -}}{{- end -}}
{{- $new = append $new $item -}}
{{- end -}}
{{- end -}}
{{- $_ := set $at $key $new -}}
{{- else -}}{{- template "shipway.integers" (dict "at" $old "wanted" $wanted) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- define "shipway.globalIntegers" -}}
{{- $wanted := .wanted -}}
{{- range .charts -}}
{{- template "shipway.integers" (dict "at" .Values "wanted" $wanted) -}}
{{- template "shipway.globalIntegers" (dict "charts" .Subcharts "wanted" $wanted) -}}
{{- end -}}
{{- end -}}
{{- $wanted := fromJson %s -}}
{{- template "shipway.integers" (dict "at" .Values "wanted" $wanted) -}}
{{- if hasKey $wanted "global" -}}
{{- template "shipway.globalIntegers" (dict "charts" .Subcharts "wanted" (pick $wanted "global")) -}}
{{- end -}}
"""


def keep_integers(chart: str, values: dict[str, Any]) -> None:
    """Write that template into the copy of a chart, if there is a whole number to keep."""
    wanted = integers_in(values)
    if not wanted:
        return
    folder = os.path.join(chart, "templates", *("z" * _DEEPER_THAN_ANY))
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, NAME), "w", encoding="utf-8") as out:
        out.write(_TEMPLATE % _go_text(json.dumps(wanted)))


def integers_in(values: Any) -> dict[str, Any]:
    """Where whole numbers stand, as nested maps: a number as its digits, items of lists by their index."""
    pairs = enumerate(values) if isinstance(values, list) else values.items() if isinstance(values, dict) else ()
    found: dict[str, Any] = {}
    for key, value in pairs:
        below = str(int(value)) if isinstance(value, Int64) else integers_in(value)
        if below:
            found[str(key)] = below
    return found


def _go_text(text: str) -> str:
    """A string literal of a Go template; the text is JSON, which is ASCII here."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
