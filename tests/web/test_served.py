"""`clipproof serve --api` as a real process: asked over TCP, lied to, and stopped."""

import base64
import io
import signal
import socket
from pathlib import Path

import c2pa
import pytest
from api_service import Recorded, serving
from cli_process import run_clipproof

from provenance.ledger import clip_id_hex
from provenance.manifest import SOFT_BINDING_ALG


def raw(address: str, request: bytes, *, then_close: bool = False) -> bytes:
    """What comes back for exactly these bytes."""
    host, _, port = address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(request)
        if then_close:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


def test_a_stranger_resolves_a_clip_over_tcp_and_sigterm_ends_the_service(recorded: Recorded) -> None:
    value = base64.b64encode(clip_id_hex(recorded.row.clip_id).encode()).decode()
    with serving(recorded.settings.home) as (client, process):
        base = str(client.base_url).rstrip("/")

        found = client.get("/matches/byBinding", params={"alg": SOFT_BINDING_ALG, "value": value}).json()
        (match,) = found["matches"]
        store = client.get(f"/manifests/{match['manifestId']}").content
        with c2pa.Reader("application/c2pa", io.BytesIO(store)) as reader:
            assert match["manifestId"] in reader.json()

        (copied,) = client.post("/matches/byContent", content=recorded.copy.read_bytes()).json()["matches"]
        assert copied["manifestId"] == match["manifestId"]
        unknown = client.post("/matches/byContent", content=recorded.stranger.read_bytes())
        assert (unknown.status_code, unknown.json()) == (200, {"matches": []})
        absent = client.get("/manifests/urn:c2pa:00000000-0000-0000-0000-000000000000")
        assert absent.status_code == 404
        assert "server" not in absent.headers

        head = b"POST /matches/byContent HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        announced = raw(base, head + b"Content-Length: 99999999999\r\n\r\n")
        assert announced.startswith(b"HTTP/1.1 413 ")  # not one byte of it was sent
        short = raw(base, head + b"Content-Length: 4000\r\n\r\n\0\0\0\x18ftypisom", then_close=True)
        assert not short.startswith(b"HTTP/1.1 200 ")
        both = head + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        assert not raw(base, both, then_close=True).startswith(b"HTTP/1.1 200 ")
        long = head + b"X: " + b"a" * 40_000
        assert raw(base, long, then_close=True).startswith(b"HTTP/1.1 4")
        assert client.get("/healthz").json() == {"status": "ok"}

        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_a_proxy_that_is_named_may_say_who_its_client_is_and_ctrl_c_ends_the_service_with_130(
    recorded: Recorded,
) -> None:
    with serving(recorded.settings.home, "--forwarded-allow-ips", "127.0.0.1") as (client, process):
        busy = {"x-forwarded-for": "203.0.113.1"}
        codes = {client.get("/services/supportedAlgorithms", headers=busy).status_code for _ in range(140)}
        assert codes == {200, 429}
        other = {"x-forwarded-for": "203.0.113.2"}
        assert client.get("/services/supportedAlgorithms", headers=other).status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130


@pytest.mark.parametrize("arguments", [("--host", "0.0.0.0"), ("--host", "0.0.0.0", "--public")])  # noqa: S104
def test_other_machines_are_served_only_by_one_who_was_told_what_that_means(
    recorded: Recorded, arguments: tuple[str, ...]
) -> None:
    done = run_clipproof(recorded.settings.home, "serve", "--api", *arguments)
    assert done.code == 2
    assert "everyone who reaches this machine" in done.err
    assert "--allowed-host" in done.err


def test_what_cannot_be_served_says_why(recorded: Recorded, tmp_path: Path) -> None:
    pages = run_clipproof(recorded.settings.home, "serve")
    assert (pages.code, "not there yet" in pages.err) == (2, True)
    nothing = run_clipproof(tmp_path / "none", "serve", "--api")
    assert nothing.code == 5
    assert not (tmp_path / "none").exists()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = run_clipproof(recorded.settings.home, "serve", "--api", "--port", port)
    assert (refused.code, "cannot be bound" in refused.err) == (5, True)
