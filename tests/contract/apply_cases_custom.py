"""Writes to custom resources: every list and map type, free-form subtrees, subresources."""

from tests.contract.apply_writes import Case, apply, create, merge, widget

CASES = [
    Case(
        "widget-apply",
        "Widget",
        [apply("m1", widget(color="red")), apply("m1", widget(color="red", size=5)), apply("m1", widget(color="red"))],
    ),
    Case(
        "widget-create",
        "Widget",
        [
            create("c", widget(color="red", labels={"a": "1"}, tags=["x"], doors=[{"name": "d"}])),
            merge("u", widget(color=None)),
        ],
    ),
    Case("widget-null", "Widget", [apply("m1", widget(color="red", nothing=None)), apply("m1", widget(color=None))]),
    Case(
        "widget-set",
        "Widget",
        [
            apply("m1", widget(tags=["a", "b"])),
            apply("m2", widget(tags=["b", "c"])),
            apply("m1", widget(tags=["a"])),
            merge("u", widget(tags=["c", "d"])),
        ],
    ),
    Case("widget-set-duplicate", "Widget", [apply("m1", widget(tags=["a", "a"]))]),
    Case(
        "widget-plain-list",
        "Widget",
        [apply("m1", widget(plain=["a"])), apply("m2", widget(plain=["a", "b"])), apply("m2", widget(plain=["a"]))],
    ),
    Case(
        "widget-maps",
        "Widget",
        [
            apply("m1", widget(labels={"a": "1"}, matrix={"x": {"a": "1"}})),
            apply("m2", widget(labels={"b": "1"}, matrix={"x": {"b": "1"}, "y": {}})),
            apply("m1", widget(labels={"c": "1"}, matrix={})),
            apply("m2", widget()),
        ],
    ),
    Case(
        "widget-atomic-map",
        "Widget",
        [apply("m1", widget(one={"a": "1"})), apply("m2", widget(one={"b": "1"})), merge("u", widget(one={"b": "1"}))],
    ),
    Case(
        "widget-free",
        "Widget",
        [
            apply("m1", widget(free={"a": {"b": 1, "l": [1, 2]}, "s": "x"})),
            apply("m2", widget(free={"a": {"c": 2}})),
            apply("m2", widget(free={"a": {"l": [1]}})),
            apply("m1", widget(free={"a": {"b": {"deep": True}}})),
            apply("m1", widget(free={})),
        ],
    ),
    Case(
        "widget-half-free",
        "Widget",
        [
            apply("m1", widget(halfFree={"known": {"a": "1"}, "other": {"x": 1}})),
            apply("m2", widget(halfFree={"other": {"y": 1}})),
        ],
    ),
    Case("widget-half-free-unknown-below", "Widget", [apply("m1", widget(halfFree={"known": {"b": "1"}}))]),
    Case(
        "widget-int-or-string",
        "Widget",
        [apply("m1", widget(port=80)), apply("m2", widget(port="80")), apply("m2", widget(port=80))],
    ),
    Case(
        "widget-doors",
        "Widget",
        [
            apply("m1", widget(doors=[{"name": "a"}, {"name": "a", "side": "right"}])),
            apply("m2", widget(doors=[{"name": "a", "side": "left", "color": "red"}])),
            apply("m1", widget(doors=[{"name": "a", "side": "right"}])),
        ],
    ),
    Case("widget-doors-without-key", "Widget", [apply("m1", widget(doors=[{"side": "right"}]))]),
    Case("widget-unknown", "Widget", [apply("m1", widget(colour="red"))]),
    Case("widget-status-by-main", "Widget", [apply("m1", {**widget(color="red"), "status": {"phase": "x"}})]),
    Case(
        "widget-status",
        "Widget",
        [
            apply("m1", widget(color="red")),
            apply("ctl", {**widget(color="blue"), "status": {"phase": "Up"}}, subresource="status"),
            merge("ctl2", {"status": {"phase": "Down"}}, subresource="status"),
            apply("ctl", {"status": {"phase": "Up"}}, subresource="status"),
            apply("m1", widget(color="red")),
        ],
    ),
    Case(
        "widget-scale",
        "Widget",
        [
            apply("m1", widget(replicas=1, color="red")),
            merge("hpa", {"spec": {"replicas": 4}}, subresource="scale"),
            apply("m1", widget(color="red")),
        ],
    ),
    Case(
        "gadget-status-is-a-field",
        "Gadget",
        [
            apply("m1", {**widget(color="red"), "status": {"phase": "x"}}),
            merge("ctl", {"status": {"phase": "y"}}),
            apply("m1", {**widget(color="red"), "status": {"phase": "x"}}),
        ],
    ),
    Case("gadget-spec-given-up", "Gadget", [apply("m1", widget(color="red")), apply("m1", {})]),
]
