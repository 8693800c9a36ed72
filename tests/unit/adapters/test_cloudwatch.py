"""The cloudWatch metric: signatures by AWS's published vectors, and a real HTTP server that checks every one of ours."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import orjson
import pytest
import pytest_asyncio
from aiohttp import web
from msgspec import Struct

from shipway.adapters.cloudwatch.credentials import AwsIdentity, Credentials
from shipway.adapters.cloudwatch.provider import measure, read_answer
from shipway.adapters.cloudwatch.service import Service, service_of
from shipway.adapters.cloudwatch.signing import signed
from shipway.adapters.http.fetch import HttpFetch
from shipway.base.clock import Instant, parse_rfc3339
from shipway.base.errors import Denied, InvalidInput, Unavailable
from shipway.expression import evaluate_condition
from tests.unit.adapters.aws_signatures import KEYS, problem_of_signature
from tests.unit.adapters.metric_server import metric_server
from tests.unit.adapters.troubles import REDIRECT, TROUBLES, Trouble, echoing

SUITE = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
SUITE_TIME = parse_rfc3339("2015-08-30T12:36:00Z")
HOST = "https://example.amazonaws.com"
STS_TOKEN = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7"
    "mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d"
    "+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
)


class Vector(Struct, frozen=True):
    """One request of the AWS Signature Version 4 Test Suite: one host, one key, one moment. `names`: of headers of its own."""

    name: str
    method: str
    path: str
    signature: str
    headers: dict[str, str] = {}
    names: tuple[str, ...] = ()
    body: bytes = b""


TRIMMED = {"My-Header1": " value1", "My-Header2": ' "a   b   c"'}
VECTORS = [
    Vector("get-vanilla", "GET", "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    Vector("post-vanilla", "POST", "/", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    Vector(
        "get-vanilla-query-order-key-case",
        "GET",
        "/?Param2=value2&Param1=value1",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    Vector("get-utf8", "GET", "/ሴ", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
    Vector(
        "get-header-value-trim",
        "GET",
        "/",
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        headers=TRIMMED,
        names=("my-header1", "my-header2"),
    ),
    Vector(
        "post-x-www-form-urlencoded",
        "POST",
        "/",
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        names=("content-type",),
        body=b"Param1=value1",
    ),
]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_signatures_are_those_of_the_published_suite(vector: Vector) -> None:
    service = Service("service", "us-east-1", f"{HOST}{vector.path}")
    given = signed(service, vector.method, vector.headers, vector.body, SUITE, SUITE_TIME)
    assert given["X-Amz-Date"] == "20150830T123600Z"
    assert given["Authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={';'.join(sorted([*vector.names, 'host', 'x-amz-date']))}, Signature={vector.signature}"
    )


def test_a_session_token_is_sent_and_signed() -> None:
    """post-sts-header-before of the suite."""
    with_token = Credentials(SUITE.key_id, SUITE.secret, STS_TOKEN)
    given = signed(Service("service", "us-east-1", f"{HOST}/"), "POST", {}, b"", with_token, SUITE_TIME)
    assert given["X-Amz-Security-Token"] == STS_TOKEN
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token, " in given["Authorization"]
    assert given["Authorization"].endswith("85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead")


NOW = parse_rfc3339("2026-11-20T10:00:00Z")
RATE = {"id": "rate", "expression": "errors / requests", "label": "share", "period": "60"}
ERRORS = {
    "id": "errors",
    "metricStat": {
        "metric": {"namespace": "app", "metricName": "errors", "dimensions": [{"name": "Service", "value": "shop"}]},
        "period": 300,
        "stat": "Sum",
        "unit": "Count",
    },
    "returnData": False,
}
SETTINGS: dict[str, Any] = {"metricDataQueries": [RATE, ERRORS]}
WANTED = [
    {"Id": "rate", "Expression": "errors / requests", "Label": "share", "Period": 60},
    {
        "Id": "errors",
        "MetricStat": {
            "Metric": {"Namespace": "app", "MetricName": "errors", "Dimensions": [{"Name": "Service", "Value": "shop"}]},
            "Period": 300,
            "Stat": "Sum",
            "Unit": "Count",
        },
        "ReturnData": False,
    },
]
FOUND = {
    "Id": "rate",
    "Label": "share",
    "StatusCode": "Complete",
    "Timestamps": [1_795_168_500.0, 1_795_168_440.0],
    "Values": [0.005, 1],
}


async def _cloudwatch(request: web.Request) -> web.StreamResponse:
    """GetMetricData by AWS JSON 1.0."""
    body = await request.read()
    if problem := problem_of_signature(request, body, "monitoring", "x-amz-target", "content-type"):
        return _refused(400, problem)
    target = request.headers.get("X-Amz-Target")
    if request.method != "POST" or request.path != "/" or target != "GraniteServiceVersion20100801.GetMetricData":
        return _refused(404, "UnknownOperationException: ")
    if request.headers["Content-Type"] != "application/x-amz-json-1.0":
        return _refused(404, "UnknownOperationException: content type")
    asked = orjson.loads(body)
    if set(asked) != {"StartTime", "EndTime", "MetricDataQueries"} or asked["EndTime"] != int(NOW):
        return _refused(400, f"ValidationError: {sorted(asked)}")
    first = asked["MetricDataQueries"][0]["Id"]
    if first == "often":
        return _refused(400, "ThrottlingException: Rate exceeded")
    if first == "minutes":
        minutes = (asked["EndTime"] - asked["StartTime"]) / 60
        return web.json_response({"MetricDataResults": [{**FOUND, "Values": [minutes]}]})
    if first == "warned":
        messages = [{"Code": "ArithmeticError", "Value": "one or more data-points have been dropped"}]
        return web.json_response({"MetricDataResults": [FOUND, {"Id": "none", "Values": []}], "Messages": messages})
    if asked["MetricDataQueries"] != WANTED:
        return _refused(400, "ValidationError: 1 validation error detected")
    return web.json_response({"MetricDataResults": [FOUND]}, content_type="application/x-amz-json-1.0")


def _refused(status: int, problem: str) -> web.StreamResponse:
    kind, _, message = problem.partition(": ")
    return web.json_response({"__type": f"com.amazonaws.cloudwatch#{kind}", "message": message}, status=status)


class CloudWatch(Struct, frozen=True):
    fetch: HttpFetch
    service: Service

    async def measure(self, settings: dict[str, Any], key: str = "AKIDSHOP"):
        return await measure(self.fetch, settings, self.service, Credentials(key, *KEYS[key]), NOW)


@pytest_asyncio.fixture
async def cloudwatch() -> AsyncGenerator[CloudWatch, None]:
    async with metric_server(_cloudwatch) as (url, fetch):
        yield CloudWatch(fetch, Service("monitoring", "eu-west-1", f"{url}/"))


@pytest.mark.compat("rollouts:provider.cloudWatch")
@pytest.mark.parametrize("key", sorted(KEYS))
async def test_values(cloudwatch: CloudWatch, key: str) -> None:
    sample = await cloudwatch.measure(SETTINGS, key)
    times = ["2026-11-20T09:55:00Z", "2026-11-20T09:54:00Z"]
    assert sample.value == [{**FOUND, "Timestamps": times, "Values": [0.005, 1.0], "Messages": []}]
    assert sample.text == "[[0.005 1]]"
    assert evaluate_condition("all(result[0].Values, {# <= 1}) and result[0].Values[0] == 0.005", sample.value)
    assert evaluate_condition("result[0].StatusCode == 'Complete' and len(result) == 1", sample.value)


@pytest.mark.parametrize(("interval", "minutes"), [("", 5.0), ("15m", 15.0), ("1h", 60.0)])
async def test_the_interval_ends_now(cloudwatch: CloudWatch, interval: str, minutes: float) -> None:
    sample = await cloudwatch.measure({"interval": interval, "metricDataQueries": [{"id": "minutes", "expression": "1"}]})
    assert sample.value[0]["Values"] == [minutes]


async def test_messages_stand_in_the_metadata_and_a_result_without_values_is_empty(cloudwatch: CloudWatch) -> None:
    sample = await cloudwatch.measure({"metricDataQueries": [{"id": "warned", "expression": "1"}]})
    assert sample.text == "[[0.005 1] []]"
    assert sample.metadata == {"messages": "ArithmeticError: one or more data-points have been dropped"}


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"metricDataQueries": [{"id": "a"}]}, InvalidInput, "refuses the query (400): ValidationError: 1 validation error"),
        ({"metricDataQueries": [{"id": "often"}]}, Unavailable, "asked too often (400): ThrottlingException: Rate exceeded"),
        ({}, InvalidInput, "cloudWatch metric: no metricDataQueries"),
        ({"metricDataQueries": "[]"}, InvalidInput, "cloudWatch metric: metricDataQueries is no list"),
        ({"metricDataQueries": [7]}, InvalidInput, "cloudWatch metric: metricDataQueries[0] is no query"),
        (
            {"metricDataQueries": [{"id": "a", "metricStat": {"period": "soon"}}]},
            InvalidInput,
            "metricDataQueries[0]: period 'soon' is no number of seconds",
        ),
        ({"interval": "soon", "metricDataQueries": [RATE]}, InvalidInput, 'interval: time: invalid duration "soon"'),
    ],
)
async def test_what_cannot_be_asked_says_why(
    cloudwatch: CloudWatch, settings: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error) as caught:
        await cloudwatch.measure(settings)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "wrong", [Credentials("AKIDSHOP", "other"), Credentials("AKIDOTHER", "x"), Credentials("ASIASHOP", "x")]
)
async def test_a_wrong_key_is_denied(cloudwatch: CloudWatch, wrong: Credentials) -> None:
    with pytest.raises(Denied, match=r"CloudWatch at .* refuses the login \(400\): (Invalid|Unrecognized)"):
        await measure(cloudwatch.fetch, SETTINGS, cloudwatch.service, wrong, NOW)


@pytest.mark.parametrize("trouble", [*TROUBLES, pytest.param(REDIRECT, id="redirect")])
async def test_trouble_is_told(trouble: Trouble) -> None:
    async with metric_server(trouble.answer) as (url, fetch):
        service = Service("monitoring", "eu-west-1", f"{url}/")
        with pytest.raises(trouble.error) as caught:
            await measure(trouble.impatient(fetch), SETTINGS, service, Credentials("AKIDSHOP", "hush"), NOW)
    assert trouble.says in caught.value.message
    assert "CloudWatch at http://127.0.0.1" in caught.value.message


async def test_a_server_that_repeats_the_token_does_not_tell_it() -> None:
    async with metric_server(echoing) as (url, fetch):
        service = Service("monitoring", "eu-west-1", f"{url}/")
        with pytest.raises(Denied) as caught:
            await measure(fetch, SETTINGS, service, Credentials("AKIDSHOP", "kX", "session-hush"), NOW)
    assert "hush" not in caught.value.message


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"MetricDataResults": 7},
        {"MetricDataResults": [7]},
        {"MetricDataResults": [{"Values": 7}]},
        {"MetricDataResults": [{"Values": ["x"]}]},
        {"MetricDataResults": [{"Values": [True]}]},
        {"MetricDataResults": [{"Timestamps": ["x"], "Values": []}]},
        {"MetricDataResults": [{"Timestamps": [1e300], "Values": []}]},
        {"MetricDataResults": [], "Messages": 7},
        {"MetricDataResults": [], "Messages": [7]},
    ],
)
def test_lies_are_errors(answer: Any) -> None:
    with pytest.raises(Unavailable, match="its API does not allow"):
        read_answer(answer, "CloudWatch")


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({"AWS_REGION": "eu-west-1"}, "https://monitoring.eu-west-1.amazonaws.com/"),
        ({"AWS_DEFAULT_REGION": "us-gov-west-1"}, "https://monitoring.us-gov-west-1.amazonaws.com/"),
        ({"AWS_REGION": "cn-north-1", "AWS_DEFAULT_REGION": "eu-west-1"}, "https://monitoring.cn-north-1.amazonaws.com.cn/"),
        ({"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "http://local:4566"}, "http://local:4566/"),
        (
            {
                "AWS_REGION": "eu-west-1",
                "AWS_ENDPOINT_URL": "http://local",
                "AWS_ENDPOINT_URL_CLOUDWATCH": "https://vpce.test/",
            },
            "https://vpce.test/",
        ),
    ],
)
def test_where_cloudwatch_is(environment: dict[str, str], url: str) -> None:
    assert service_of("monitoring", environment).url == url


@pytest.mark.parametrize("environment", [{}, {"AWS_REGION": "eu-west-1.evil.test/"}])
def test_without_a_region_it_says_so(environment: dict[str, str]) -> None:
    with pytest.raises(InvalidInput, match="AWS_REGION"):
        service_of("monitoring", environment)


# --- who asks

ROLE = "arn:aws:iam::123456789012:role/shipway"
ISSUED = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult><Credentials>
    <SessionToken>token{number}</SessionToken><SecretAccessKey>secret</SecretAccessKey>
    <Expiration>2026-11-20T11:00:00Z</Expiration><AccessKeyId>ASIA{number}</AccessKeyId>
  </Credentials></AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>"""
REFUSED = """<ErrorResponse><Error><Type>Sender</Type><Code>InvalidIdentityToken</Code>
<Message>The token jwt-{number} &amp; its issuer are unknown</Message></Error></ErrorResponse>"""


class Issuer:
    """STS, the credentials endpoint of containers, and that of instances, in one server; `issued`: how often."""

    def __init__(self) -> None:
        self.issued = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        match request.method, request.path:
            case "POST", "/":
                return self._sts(parse_qs(await request.text()))
            case "GET", "/v2/credentials/shop" if request.headers.get("Authorization", "") in ("", "pod-token"):
                return self._json()
            case "PUT", "/latest/api/token" if request.headers.get("X-aws-ec2-metadata-token-ttl-seconds"):
                return web.Response(text="imds-token")
            case "GET", path if request.headers.get("X-aws-ec2-metadata-token") == "imds-token":
                roles = "/latest/meta-data/iam/security-credentials/"
                return web.Response(text="node-role\n") if path == roles else self._json(path.removeprefix(roles))
            case _:
                return web.Response(status=403, text="not you")

    def _sts(self, form: dict[str, list[str]]) -> web.StreamResponse:
        fine = {"Action": ["AssumeRoleWithWebIdentity"], "Version": ["2011-06-15"], "RoleArn": [ROLE]}
        if any(form.get(name) != value for name, value in fine.items()) or not form.get("RoleSessionName"):
            return web.Response(status=400, text="<Error><Code>ValidationError</Code></Error>")
        if form.get("WebIdentityToken") != ["jwt-1"]:
            return web.Response(status=400, text=REFUSED.format(number=2))
        self.issued += 1
        return web.Response(text=ISSUED.format(number=self.issued), content_type="text/xml")

    def _json(self, role: str = "node-role") -> web.StreamResponse:
        if role != "node-role":
            return web.Response(status=404)
        self.issued += 1
        found = {"AccessKeyId": f"ASIA{self.issued}", "SecretAccessKey": "secret", "Token": f"token{self.issued}"}
        return web.json_response({**found, "Expiration": "2026-11-20T11:00:00Z"})


WEB_IDENTITY = {"AWS_REGION": "eu-west-1", "AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": "{files}/token"}
WAYS = {
    "web identity": {**WEB_IDENTITY, "AWS_ENDPOINT_URL_STS": "{url}"},
    "container": {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "{url}/v2/credentials/shop"},
    "container with a token": {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "{url}/v2/credentials/shop",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "pod-token",
    },
    "pod identity": {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "{url}/v2/credentials/shop",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "{files}/pod-token",
    },
    "instance": {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "{url}"},
}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text("jwt-1\n")
    (tmp_path / "pod-token").write_text("pod-token\n")
    return tmp_path


@pytest.mark.compat("rollouts:provider.cloudWatch")
@pytest.mark.parametrize("way", sorted(WAYS))
async def test_credentials_are_taken_from_where_the_pod_has_them_and_kept_until_they_expire(way: str, files: Path) -> None:
    issuer = Issuer()
    async with metric_server(issuer.answer) as (url, fetch):
        identity = AwsIdentity(fetch, {name: value.format(url=url, files=files) for name, value in WAYS[way].items()})
        expiry = parse_rfc3339("2026-11-20T11:00:00Z")
        assert await identity.credentials(NOW) == Credentials("ASIA1", "secret", "token1", expiry)
        assert (await identity.credentials(Instant(NOW + 3000))).key_id == "ASIA1"
        assert (await identity.credentials(Instant(NOW + 3400))).key_id == "ASIA2"
    assert issuer.issued == 2


async def test_keys_of_the_environment_come_first(files: Path) -> None:
    environment = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t", **WEB_IDENTITY}
    async with metric_server(Issuer().answer) as (_, fetch):
        assert await AwsIdentity(fetch, environment).credentials(NOW) == Credentials("AKID", "s", "t")


@pytest.mark.parametrize(
    ("environment", "error", "says"),
    [
        ({"AWS_EC2_METADATA_DISABLED": "true"}, InvalidInput, "no AWS credentials: give the pod AWS_ACCESS_KEY_ID"),
        ({**WAYS["web identity"], "AWS_WEB_IDENTITY_TOKEN_FILE": "{files}/none"}, InvalidInput, "cannot read"),
        (
            {**WAYS["web identity"], "AWS_WEB_IDENTITY_TOKEN_FILE": "{files}/pod-token"},
            InvalidInput,
            "AWS STS at {url} refuses the query (400): InvalidIdentityToken: The token jwt-2 & its issuer are unknown",
        ),
        (
            {**WAYS["container with a token"], "AWS_CONTAINER_AUTHORIZATION_TOKEN": "hush"},
            Denied,
            "the credentials of the container at {url}/v2/credentials/shop refuses the login (403)",
        ),
        ({"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1"}, InvalidInput, "no AWS credentials: give the pod"),
    ],
)
async def test_without_credentials_it_says_what_to_do(
    environment: dict[str, str], error: type[Exception], says: str, files: Path
) -> None:
    async with metric_server(Issuer().answer) as (url, fetch):
        given = {name: value.format(url=url, files=files) for name, value in environment.items()}
        with pytest.raises(error) as caught:
            await AwsIdentity(fetch, given).credentials(NOW)
        assert says.format(url=url) in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("way", ["web identity", "container"])
@pytest.mark.parametrize("trouble", [*TROUBLES, pytest.param(REDIRECT, id="redirect")])
async def test_trouble_of_the_issuer_is_told(trouble: Trouble, way: str, files: Path) -> None:
    async with metric_server(trouble.answer) as (url, fetch):
        given = {name: value.format(url=url, files=files) for name, value in WAYS[way].items()}
        with pytest.raises(trouble.error) as caught:
            await AwsIdentity(trouble.impatient(fetch), given).credentials(NOW)
    says = trouble.says.replace("answered 200 with ", "").replace("its API does not allow", "")
    assert says in caught.value.message


async def test_an_issuer_that_repeats_the_web_identity_does_not_tell_it(files: Path) -> None:
    (files / "token").write_text("jwt-hush")
    async with metric_server(echoing) as (url, fetch):
        given = {name: value.format(url=url, files=files) for name, value in WAYS["web identity"].items()}
        with pytest.raises(Denied) as caught:
            await AwsIdentity(fetch, given).credentials(NOW)
    assert "hush" not in caught.value.message
