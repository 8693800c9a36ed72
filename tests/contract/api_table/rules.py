"""CEL rules of custom resources: each field of a Gauge has a rule of its own. One case per line, so lines are long."""
# ruff: noqa: E501

from typing import Any

from tests.contract.api_table.steps import CRDS, Case, apply, get, patch, post, put, typed

GAUGES = "/apis/rules.shipway.dev/v1/namespaces/{ns}/gauges"
_TEXT: Any = {"type": "string"}
_INT: Any = {"type": "integer"}
_KEYED = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}


def ruled(schema: Any, rule: str, **more: Any) -> Any:
    """The schema with one rule."""
    return {**schema, "x-kubernetes-validations": [*schema.get("x-kubernetes-validations", []), {"rule": rule, **more}]}


def _obj(**properties: Any) -> Any:
    return {"type": "object", "properties": properties}


def _list(items: Any, most: int = 10, **more: Any) -> Any:
    return {"type": "array", "items": items, "maxItems": most, **more}


_SHORT = {**_TEXT, "maxLength": 20}
GAUGE_SPEC = ruled(
    _obj(
        low=_INT,
        high=_INT,
        plain=ruled(_INT, "self > 2"),
        said=ruled(_INT, "self > 2", message="must be more than two"),
        told=ruled(_INT, "self > 2", messageExpression="'wanted ' + (self > 0 ? 'more' : 'much more')"),
        silent=ruled(_INT, "self > 2", messageExpression="string(self / 0)", message="fell back"),
        word=ruled(_SHORT, "self.startsWith('a')", reason="FieldValueForbidden", message="must begin with a"),
        needed=ruled(_obj(a=_TEXT, b=_TEXT), "has(self.a)", reason="FieldValueRequired", message="a is needed", fieldPath=".a"),
        once=ruled(
            _list(_SHORT), "self.all(x, self.exists_one(y, x == y))", reason="FieldValueDuplicate", message="no doubles"
        ),
        fixed=ruled(_SHORT, "self == oldSelf", message="is immutable"),
        grows=ruled(_INT, "!oldSelf.hasValue() || self >= oldSelf.value()", optionalOldSelf=True, message="may not shrink"),
        first=ruled(_INT, "oldSelf.hasValue() || self == 1", optionalOldSelf=True, message="begins at one"),
        doors=_list(
            ruled(
                {**_obj(name=_SHORT, wide=_INT), "required": ["name"]},
                "self.wide >= oldSelf.wide",
                message="doors get no narrower",
            ),
            **_KEYED,
        ),
        loose=_list(ruled(_obj(wide={**_INT, "default": 1}), "self.wide > 0", message="must have some width")),
        labels={"type": "object", "maxProperties": 5, "additionalProperties": ruled(_SHORT, "self != 'bad'")},
        byname=ruled(
            {"type": "object", "maxProperties": 5, "additionalProperties": _INT},
            "self.all(k, k.startsWith('a') && self[k] > 0)",
        ),
        lookup=ruled({"type": "object", "maxProperties": 5, "additionalProperties": _INT}, "self['x'] > 0"),
        divided=ruled(_INT, "10 / self > 1"),
        indexed=ruled(_list(_INT), "self[2] > 0"),
        number=ruled({"type": "number"}, "self < 2.5"),
        port=ruled({"x-kubernetes-int-or-string": True}, "type(self) == int ? self > 0 : self == 'http'"),
        mixed=ruled({"x-kubernetes-int-or-string": True}, "self > 0"),
        when=ruled({"type": "string", "format": "date-time"}, "self > timestamp('2026-01-01T00:00:00Z')"),
        period=ruled({"type": "string", "format": "duration"}, "self < duration('1h')"),
        namespace=_SHORT,
        maybe=ruled({**_SHORT, "nullable": True}, "self.size() > 2"),
        deep=_obj(er=ruled(_obj(est=_INT), "!has(self.est) || self.est < 5", message="too deep")),
        sorted=ruled(_list(_INT), "self.isSorted() && self.sum() < 100 && self.max() < 50"),
        size=ruled(_SHORT, "isQuantity(self) && quantity(self).isLessThan(quantity('2Gi'))", message="must be less than 2Gi"),
        link=ruled(_SHORT, "isURL(self) && url(self).getScheme() == 'https'", message="must be https"),
        host=ruled(_SHORT, "isIP(self) && ip(self).family() == 4", message="must be an IPv4 address"),
        net=ruled(_SHORT, "isCIDR(self) && cidr('10.0.0.0/8').containsCIDR(self)", message="must be in 10/8"),
        found=ruled(_SHORT, "self.find('[0-9]+') == '12'", message="must have 12"),
        joined=ruled(_list(_SHORT), "self.join('-').upperAscii() == 'A-B'", message="must be a and b"),
        spoken=ruled(_INT, "self < 1", messageExpression="'%d of %s'.format([self, 'one'])"),
        opt=ruled(_obj(a=_INT), "self.?a.orValue(3) == 3", message="a is three"),
        both=ruled(ruled(_INT, "self > 2", message="first"), "self > 3", message="second"),
        multi=ruled(_INT, "\n  self > 2\n"),
    ),
    "!has(self.low) || !has(self.high) || self.low <= self.high",
    message="low may not be above high",
)
GAUGE_SPEC = ruled(GAUGE_SPEC, "!has(self.__namespace__) || self.__namespace__ != 'x'", message="not x")


def gauges(spec: Any = GAUGE_SPEC, plural: str = "gauges", kind: str = "Gauge", **root: Any) -> Any:
    """The definition of Gauges; with `root`, more beside the spec."""
    schema = {**_obj(spec=spec, status=ruled(_obj(level=_INT), "self.level < 9", message="too high")), **root}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": schema},
    }
    return {
        "metadata": {"name": f"{plural}.rules.shipway.dev"},
        "spec": {
            "group": "rules.shipway.dev",
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind},
            "versions": [version],
        },
    }


ROOT_RULE = {"x-kubernetes-validations": [{"rule": "self.metadata.name != 'forbidden'", "message": "has a forbidden name"}]}


def gauge(name: str = "g", **spec: Any) -> Any:
    return typed("rules.shipway.dev/v1", "Gauge", name, spec=spec)


def _refused(name: str, **spec: Any) -> Case:
    """A Gauge that is created as it is asked for, whatever comes of it."""
    return Case(f"rule-{name}", [post(GAUGES, gauge(**spec))])


def _changed(name: str, before: Any, after: Any, *more: Any) -> Case:
    return Case(
        f"rule-{name}",
        [post(GAUGES, gauge(**before), only=("code",)), *(patch(f"{GAUGES}/g", {"spec": spec}) for spec in (after, *more))],
    )


def _schema(name: str, schema: Any) -> Case:
    """A definition that a server may refuse; engines have their own words, so code and reason are compared."""
    return Case(
        f"rule-schema-{name}", [post(f"{CRDS}?dryRun=All", gauges(_obj(a=schema), "judges", "Judge"), only=("code", "reason"))]
    )


_PATH = r'''(self.type in ['Exact', 'PathPrefix']) ? self.value.matches(r"""^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$""") : true'''
_DISTINCT = (
    "self.all(l1, self.exists_one(l2, l1.port == l2.port && l1.protocol == l2.protocol && (has(l1.hostname) && has(l2.hostname) ? "
    "l1.hostname == l2.hostname : !has(l1.hostname) && !has(l2.hostname))))"
)
_LISTENER = _obj(name=_SHORT, port=_INT, protocol=_SHORT, hostname={**_TEXT, "maxLength": 253})
_MATCH = ruled(_obj(type=_SHORT, value={**_TEXT, "maxLength": 1024}), _PATH, message="must only contain valid characters")
_PLANS = "/apis/rules.shipway.dev/v1/namespaces/{ns}/plans"
PLAN_SPEC = _obj(
    listeners=ruled(ruled(_list(_LISTENER, 64), _DISTINCT, message="Combination of port, protocol and hostname must be unique for each listener"),
                    "self.all(l, l.protocol in ['HTTP', 'TCP', 'UDP'] ? !has(l.hostname) || l.hostname != '' : true)", message="hostname must be set or absent"),
    rules=ruled(_list(_obj(matches=_list(_MATCH, 64)), 16),
                " + ".join(f"(self.size() > {n} ? self[{n}].matches.size() : 0)" for n in range(16)) + " <= 128", message="the total number of matches must be less than 128"),
)  # fmt: skip
"""The shapes of rule that the Gateway API's own definitions are made of."""


def _plan(**spec: Any) -> Any:
    return post(f"{_PLANS}?dryRun=All", typed("rules.shipway.dev/v1", "Plan", "p", spec=spec))


def _matches(count: int) -> list[Any]:
    return [{"matches": [{"type": "Exact", "value": f"/{n}"} for n in range(count)]} for _ in range(4)]


RULES = [
    Case("rule-gateway", [
        post(CRDS, gauges(PLAN_SPEC, "plans", "Plan"), only=("code",)), get(_PLANS, only=("code",), until=200),
        _plan(listeners=[{"name": "a", "port": 80, "protocol": "HTTP"}, {"name": "b", "port": 80, "protocol": "HTTP", "hostname": "x"}]),
        _plan(listeners=[{"name": "a", "port": 80, "protocol": "HTTP"}, {"name": "b", "port": 80, "protocol": "HTTP"}]),
        _plan(listeners=[{"name": str(n), "port": n, "protocol": "HTTP"} for n in range(64)]),
        _plan(rules=[{"matches": [{"type": "Exact", "value": "/a b"}, {"type": "Exact", "value": "/ok%20"}, {"type": "RegularExpression", "value": "a b"}]}]),
        _plan(rules=_matches(32)), _plan(rules=_matches(33)),
    ]),
    _refused("plain", plain=1), _refused("plain-good", plain=3), _refused("message", said=1), _refused("message-expression", told=1),
    _refused("message-expression-fails", silent=1), _refused("reason", word="b"), _refused("field-path", needed={"b": "x"}),
    _refused("duplicate", once=["a", "b", "a"]), _refused("two-rules", both=1), Case("rule-many", [post(GAUGES, gauge(plain=1, said=1, word="b"), only=("code", "reason", "details"))]),
    _refused("whole-spec", low=5, high=3), _refused("escaped", namespace="x"), _refused("list-item", loose=[{"wide": 1}, {"wide": 0}]),
    _refused("list-item-default", loose=[{}]), _refused("map-value", labels={"a": "bad"}), _refused("map-keys", byname={"b": 1}),
    _refused("no-such-key", lookup={"y": 1}), _refused("division", divided=0), _refused("index", indexed=[1]), _refused("number", number=3),
    _refused("number-good", number=2), _refused("int-or-string-int", port=-1), _refused("int-or-string-text", port="ftp"), _refused("int-or-string-overload", mixed="text"),
    _refused("timestamp", when="2025-01-01T00:00:00Z"), _refused("timestamp-good", when="2026-06-01T00:00:00Z"), _refused("duration", period="2h"), _refused("duration-good", period="20m"),
    _refused("null", maybe=None), _refused("null-not", maybe="a"), _refused("deep", deep={"er": {"est": 7}}), _refused("sorted", sorted=[3, 1]), _refused("sorted-good", sorted=[1, 3]),
    _refused("quantity", size="3Gi"), _refused("quantity-good", size="1.5Gi"), _refused("quantity-none", size="much"), _refused("url", link="http://x"), _refused("url-good", link="https://x/y"),
    _refused("ip", host="::1"), _refused("ip-good", host="10.0.0.1"), _refused("cidr", net="11.0.0.0/8"), _refused("cidr-good", net="10.1.0.0/16"), _refused("find", found="a13"), _refused("find-good", found="a12b"),
    _refused("join", joined=["a"]), _refused("join-good", joined=["a", "b"]), _refused("format", spoken=3), _refused("optional", opt={"a": 4}), _refused("optional-none", opt={}), _refused("lines", multi=1),
    _refused("with-schema-error", plain=1, word=5), _refused("first", first=2), _refused("first-good", first=1),
    _changed("immutable", {"fixed": "a"}, {"fixed": "b"}, {"fixed": "a", "low": 1}, {"fixed": None}),
    _changed("transition-new-field", {}, {"fixed": "b"}), _changed("optional-old", {"grows": 3}, {"grows": 2}, {"grows": 4}),
    _changed("keyed-items", {"doors": [{"name": "a", "wide": 2}]}, {"doors": [{"name": "b", "wide": 1}, {"name": "a", "wide": 1}]}, {"doors": [{"name": "a", "wide": 3}]}),
    Case("rule-status", [post(GAUGES, gauge(), only=("code",)), patch(f"{GAUGES}/g/status", {"status": {"level": 9}}), patch(f"{GAUGES}/g/status", {"status": {"level": 3}}, only=("code",))]),
    Case("rule-apply", [apply(f"{GAUGES}/g", gauge(plain=1)), apply(f"{GAUGES}/g", gauge(plain=3)), apply(f"{GAUGES}/g", gauge(plain=2))]),
    Case("rule-dry-run", [post(f"{GAUGES}?dryRun=All", gauge(plain=1)), get(f"{GAUGES}/g", only=("code",))]),
    Case("rule-put", [post(GAUGES, gauge(fixed="a"), only=("code",)), put(f"{GAUGES}/g", {**gauge(fixed="b"), "metadata": {"name": "g", "resourceVersion": "1"}}, only=("code", "reason"))]),
    Case("rule-root", [post(CRDS, gauges(_obj(a=_TEXT), "roots", "Root", **ROOT_RULE), only=("code",)),
                       get("/apis/rules.shipway.dev/v1/namespaces/{ns}/roots", only=("code",), until=200),
                       post("/apis/rules.shipway.dev/v1/namespaces/{ns}/roots", typed("rules.shipway.dev/v1", "Root", "forbidden", spec={})),
                       post("/apis/rules.shipway.dev/v1/namespaces/{ns}/roots", typed("rules.shipway.dev/v1", "Root", "allowed", spec={}), only=("code",))]),
    Case("rule-ratchet", [post(CRDS, gauges(_obj(a=_INT, b=_INT), "wheels", "Wheel"), only=("code",)), get("/apis/rules.shipway.dev/v1/namespaces/{ns}/wheels", only=("code",), until=200),
                          post("/apis/rules.shipway.dev/v1/namespaces/{ns}/wheels", typed("rules.shipway.dev/v1", "Wheel", "w", spec={"a": 1, "b": 1}), only=("code",)),
                          patch(f"{CRDS}/wheels.rules.shipway.dev", {"spec": gauges(_obj(a=ruled(_INT, "self > 2"), b=_INT), "wheels", "Wheel")["spec"]}, only=("code",)),
                          post("/apis/rules.shipway.dev/v1/namespaces/{ns}/wheels?dryRun=All", typed("rules.shipway.dev/v1", "Wheel", "v", spec={"a": 1}), only=("code",), until=422),
                          patch("/apis/rules.shipway.dev/v1/namespaces/{ns}/wheels/w", {"spec": {"b": 2}}), patch("/apis/rules.shipway.dev/v1/namespaces/{ns}/wheels/w", {"spec": {"a": 2}})]),
    _schema("good", ruled(_INT, "self > 2")), _schema("syntax", ruled(_INT, "self >")), _schema("unknown-variable", ruled(_INT, "other > 2")),
    _schema("unknown-function", ruled(_INT, "self.frobnicate() > 2")), _schema("no-rule", ruled(_INT, "")), _schema("not-bool", ruled(_INT, "1 + 2")), _schema("bad-reason", ruled(_INT, "self > 2", reason="Whatever")),
    _schema("bad-message", ruled(_INT, "self > 2", message="a\nb")), _schema("bad-field-path", ruled(_obj(x=_INT), "self.x > 2", fieldPath=".y")),
    _schema("message-expression-type", ruled(_INT, "self > 2", messageExpression="1")), _schema("optional-without-old", ruled(_INT, "self > 2", optionalOldSelf=True)),
    _schema("old-in-atomic-list", _list(ruled(_INT, "self > oldSelf"))),
]  # fmt: skip
