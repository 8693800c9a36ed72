"""Who is let in at the node's own endpoint: one client by its name, nobody else, however well certified."""

import aiohttp
import pytest

from shipway.base.clock import SystemClock
from shipway.base.tls import trusting
from shipway.localcluster.node.logs import NodeLogs
from shipway.localcluster.node.streaming.endpoint import EndpointTls, serve_endpoint
from shipway.localcluster.node.streaming.service import NodeStreams
from tests.kube.certificates import KUBELET_CLIENT, write_certificates


@pytest.mark.parametrize(
    ("certificate", "status"),
    [("kubelet-client", 404), ("admin", 403), (None, None)],
    ids=["the API server", "a user", "nobody"],
)
async def test_only_the_api_server_is_let_in(tmp_path, certificate, status):
    write_certificates(tmp_path)
    tls = EndpointTls(tmp_path / "server.crt", tmp_path / "server.key", tmp_path / "ca.crt", KUBELET_CLIENT)
    context = trusting(ca_file=str(tmp_path / "ca.crt"))
    if certificate:
        context.load_cert_chain(tmp_path / f"{certificate}.crt", tmp_path / f"{certificate}.key")
    logs, streams = NodeLogs(lambda namespace, pod: None), NodeStreams(lambda namespace, pod: None)
    connector = aiohttp.TCPConnector(ssl=context)
    async with (
        serve_endpoint(tls, logs, streams, SystemClock()) as port,
        aiohttp.ClientSession(f"https://127.0.0.1:{port}", connector=connector) as session,
    ):
        for path in ("containerLogs/ns/pod/main", "exec/ns/pod/main?command=ls&output=1", "portForward/ns/pod"):
            if status is None:
                with pytest.raises(aiohttp.ClientError):
                    await session.get(f"/{path}")
            else:
                async with session.get(f"/{path}") as answer:
                    assert answer.status == (400 if status == 404 and "Logs" in path else status)
