"""What a stranger may try on the API, and what it costs them."""

import asyncio
import base64
import json
import logging
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_service import PERSON, Api, Recorded
from PIL import Image

from clipproof.web import app as web_app
from clipproof.web.guard import RateLimit, client_network, host_name, loggable
from clipproof.web.limits import CONTENT_LIMITS
from clipproof.web.problems import PROBLEMS
from media import Limits, sandbox
from provenance import resolve
from provenance.ledger import Ledger, LedgerLocked, clip_id_hex
from provenance.manifest import SOFT_BINDING_ALG


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every file that reaches our reading of media."""
    seen: list[Path] = []
    real = resolve.match_content

    def noting(path: Path, **options: Any) -> Any:
        seen.append(path)
        return real(path, **options)

    monkeypatch.setattr(resolve, "match_content", noting)
    return seen


def small(limit: int) -> Limits:
    return replace(CONTENT_LIMITS, max_bytes=limit)


def problem(answer: Any) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code
    return answer.status_code, answer.json()["code"]


# Bodies


def test_a_body_over_the_limit_is_refused_before_anything_reads_it(
    api: Api, recorded: Recorded, examined: list[Path]
) -> None:
    answer = api(content=small(1000)).post("/matches/byContent", content=recorded.copy.read_bytes())
    assert problem(answer) == (413, "too_large")
    assert examined == []


def test_a_chunked_body_without_a_length_is_counted_while_it_arrives(api: Api, examined: list[Path]) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield b"\x00\x00\x00\x18ftypisom"
        for _ in range(1000):
            sent += 1 << 16
            yield bytes(1 << 16)

    answer = api(content=small(1 << 20)).post("/matches/byContent", content=endless())
    assert problem(answer) == (413, "too_large")
    assert examined == []


def test_a_json_body_has_a_limit_of_its_own(api: Api) -> None:
    answer = api().post("/matches/byBinding", content=b'{"alg":"' + b"a" * (65 << 10) + b'"}')
    assert problem(answer) == (413, "too_large")


@pytest.mark.parametrize(
    "body",
    [b"", b"x", b"ffconcat version 1.0\nfile /etc/passwd\n", b"#EXTM3U\n", b"\x89PNG\r\n\x1a\n" + bytes(64)],
    ids=["empty", "one byte", "ffconcat", "playlist", "png"],
)
def test_what_is_no_video_by_its_first_bytes_is_refused_whatever_it_is_called(
    api: Api, body: bytes, examined: list[Path]
) -> None:
    answer = api().post("/matches/byContent", content=body, headers={"content-type": "video/mp4"})
    assert problem(answer) == (415, "unsupported_media")
    assert examined == []


def test_a_broken_video_is_a_422_that_names_no_file(api: Api, recorded: Recorded) -> None:
    answer = api().post("/matches/byContent", content=recorded.copy.read_bytes()[:3000])
    assert problem(answer) == (422, "unreadable_media")
    assert "/" not in answer.text.replace("about:blank", "")


def test_a_video_longer_than_the_limit_is_a_422(api: Api, recorded: Recorded) -> None:
    answer = api(content=replace(CONTENT_LIMITS, max_frames=5)).post(
        "/matches/byContent", content=recorded.copy.read_bytes()
    )
    assert problem(answer) == (422, "media_over_limits")


def test_a_video_of_one_pixel_is_a_video_without_matches(api: Api, tmp_path: Path) -> None:
    Image.new("RGB", (1, 1)).save(tmp_path / "pixel.gif")
    answer = api().post("/matches/byContent", content=(tmp_path / "pixel.gif").read_bytes())
    assert (answer.status_code, answer.json()) == (200, {"matches": []})


def test_the_servers_limits_are_tighter_than_the_command_lines() -> None:
    for name in Limits.__dataclass_fields__:
        assert getattr(CONTENT_LIMITS, name) < getattr(Limits(), name), name


def test_the_decoder_runs_confined_in_a_child_under_the_servers_limits(
    api: Api, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs: list[dict[str, Any]] = []
    real = sandbox.json.dumps
    monkeypatch.setattr(sandbox.json, "dumps", lambda value, **o: jobs.append(value) or real(value, **o))
    api().post("/matches/byContent", content=recorded.copy.read_bytes())
    limits = [job["limits"] for job in jobs if isinstance(job, dict) and "demuxer" in job]
    assert limits
    assert all(one["memory_bytes"] == CONTENT_LIMITS.memory_bytes for one in limits)


def test_an_uploaded_file_is_gone_when_its_answer_is_there_whatever_the_answer(
    api: Api, recorded: Recorded, examined: list[Path]
) -> None:
    client = api()
    for body in (recorded.copy.read_bytes(), recorded.copy.read_bytes()[:3000], b"\0\0\0\x18ftypisom"):
        client.post("/matches/byContent", content=body, headers={"content-disposition": 'filename="x.mp4"'})
    assert len(examined) == 3
    (folder,) = {path.parent for path in examined}
    assert list(folder.iterdir()) == []
    assert folder.stat().st_mode & 0o077 == 0
    assert not any("x.mp4" in path.name for path in examined)


# Load


def test_more_files_at_a_time_than_there_are_places_get_a_503_and_when_to_come_back(
    api: Api, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, started = threading.Event(), threading.Event()

    def slow(path: Path, **options: Any) -> tuple[()]:
        started.set()
        assert go_on.wait(20)
        return ()

    monkeypatch.setattr(resolve, "match_content", slow)
    client, body = api(content_jobs=1), recorded.copy.read_bytes()
    first = threading.Thread(target=lambda: client.post("/matches/byContent", content=body))
    first.start()
    assert started.wait(20)
    second = client.post("/matches/byContent", content=body)
    go_on.set()
    first.join(20)
    assert problem(second) == (503, "busy")
    assert int(second.headers["retry-after"]) > 0
    assert client.post("/matches/byContent", content=body).status_code == 200  # the place is free again


def test_a_file_that_takes_too_long_is_given_up_and_keeps_its_place_until_it_ends(
    api: Api, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(resolve, "match_content", lambda path, **options: go_on.wait(20) and ())
    client, body = api(content_jobs=1, answer_s=0.2), recorded.copy.read_bytes()
    assert problem(client.post("/matches/byContent", content=body)) == (503, "answer_timeout")
    assert problem(client.post("/matches/byContent", content=body)) == (503, "busy")
    go_on.set()


def test_a_body_that_trickles_in_is_given_up(api: Api, examined: list[Path]) -> None:
    async def trickle() -> AsyncIterator[bytes]:
        yield b"\x00\x00\x00\x18ftypisom"
        await asyncio.sleep(5)
        yield b"\0"

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=api(upload_s=0.1).app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.post("/matches/byContent", content=trickle())

    assert problem(asyncio.run(send())) == (408, "upload_timeout")
    assert examined == []


def test_a_client_that_asks_too_often_gets_a_429_and_another_does_not(api: Api) -> None:
    client = api(requests_per_minute=3)
    answers = [client.get("/services/supportedAlgorithms") for _ in range(4)]
    assert [one.status_code for one in answers] == [200, 200, 200, 429]
    assert problem(answers[-1]) == (429, "rate_limited")
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 20
    # A header that anyone can write changes nothing.
    assert client.get("/healthz", headers={"x-forwarded-for": "203.0.113.9"}).status_code == 429


def test_uploads_have_a_rate_of_their_own(api: Api) -> None:
    client = api(uploads_per_minute=1)
    codes = [client.post("/matches/byContent", content=b"x").status_code for _ in range(2)]
    assert codes == [415, 429]
    assert client.get("/healthz").status_code == 200


def test_tokens_come_back_with_time_and_memory_of_clients_is_bounded() -> None:
    now = [0.0]
    rate = RateLimit(60, clock=lambda: now[0], clients=100)
    assert [rate.wait_s("a") for _ in range(61)] == [0] * 60 + [1]
    now[0] = 1.0
    assert (rate.wait_s("a"), rate.wait_s("a")) == (0, 1)
    for client in range(1000):
        rate.wait_s(str(client))
    assert len(rate._buckets) == 100


@pytest.mark.parametrize(
    ("address", "counted", "logged"),
    [
        ("203.0.113.77", "203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("::ffff:203.0.113.77", "203.0.113.77", "203.0.113.0/24"),
        ("testclient", "testclient", "-"),
    ],
)
def test_one_subscriber_is_one_client_and_no_log_names_a_household(
    address: str, counted: str, logged: str
) -> None:
    assert client_network({"client": (address, 1)}) == counted
    assert loggable(counted) == logged


# Requests


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "", "[::1].evil.example"]
)
def test_another_host_name_is_refused_so_that_no_page_can_rebind_its_own(api: Api, host: str) -> None:
    answer = api().get("/healthz", headers={"host": host})
    assert problem(answer) == (400, "unknown_host")


def test_the_port_in_a_host_name_does_not_matter_and_two_names_are_none() -> None:
    assert host_name({"headers": [(b"host", b"LocalHost:8745")]}) == "localhost"
    assert host_name({"headers": [(b"host", b"[::1]:8745")]}) == "[::1]"
    assert host_name({"headers": [(b"host", b"localhost"), (b"host", b"evil.example")]}) == ""


def test_a_query_too_long_is_a_414(api: Api) -> None:
    answer = api().get("/matches/byBinding", params={"alg": "a", "value": "A" * 5000})
    assert problem(answer) == (414, "query_too_long")


@pytest.mark.parametrize(
    "path", ["/healthz/", "/matches/byBinding/", "/services/", "//healthz", "/docs", "/redoc"]
)
def test_nothing_redirects_and_no_page_loads_scripts(api: Api, path: str) -> None:
    assert problem(api().get(path)) == (404, "not_found")


def test_a_reference_is_not_followed(api: Api) -> None:
    with socket.create_server(("127.0.0.1", 0)) as bait:
        bait.settimeout(0.3)
        url = f"http://127.0.0.1:{bait.getsockname()[1]}/clip.mp4"
        answer = api().post("/matches/byReference", json={"referenceUrl": url, "assetLength": 10})
        assert problem(answer) == (501, "by_reference_refused")
        with pytest.raises(TimeoutError):
            bait.accept()


def test_examining_a_file_that_links_elsewhere_opens_no_connection(
    api: Api, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as bait:
        bait.settimeout(0.3)
        port = bait.getsockname()[1]
        playlist = f"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:{port}/x.ts\n".encode()
        disguised = b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00isommp42" + playlist
        assert api().post("/matches/byContent", content=disguised).status_code == 422
        assert api().post("/matches/byContent", content=recorded.signed.read_bytes()).status_code == 200
        with pytest.raises(TimeoutError):
            bait.accept()


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_nothing_can_be_written(api: Api, recorded: Recorded, method: str) -> None:
    answer = api().request(method, f"/manifests/{recorded.manifest_id}")
    assert problem(answer) == (405, "method_not_allowed")


# Answers


def test_every_answer_carries_the_security_headers_errors_too(api: Api) -> None:
    client = api(requests_per_minute=5)
    answers = [
        client.get("/healthz"),
        client.get("/nothing"),
        client.get("/matches/byBinding"),
        client.get("/healthz", headers={"host": "evil.example"}),
        *(client.get("/healthz") for _ in range(4)),
    ]
    assert {one.status_code for one in answers} == {200, 400, 404, 429}
    for one in answers:
        assert one.headers["x-content-type-options"] == "nosniff"
        assert one.headers["cache-control"] == "no-store"
        assert one.headers["content-security-policy"].startswith("default-src 'none'")
        assert "access-control-allow-origin" not in one.headers


def test_pages_of_other_origins_read_nothing_unless_they_are_named(api: Api) -> None:
    origin = {"origin": "https://newsroom.example"}
    assert "access-control-allow-origin" not in api().get("/healthz", headers=origin).headers
    named = api(cors_origins=["https://newsroom.example"])
    allowed = named.get("/healthz", headers=origin)
    assert allowed.headers["access-control-allow-origin"] == "https://newsroom.example"
    other = named.get("/healthz", headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers


def test_a_failure_inside_is_a_500_without_a_word_of_it(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("secret /srv/path")

    monkeypatch.setattr(resolve, "match_binding", broken)
    with caplog.at_level(logging.INFO, "clipproof.web"):
        answer = api().get("/matches/byBinding", params={"alg": "a", "value": "Zm9v"})
    assert problem(answer) == (500, "internal")
    assert "secret" not in answer.text + caplog.text
    assert "RuntimeError" in caplog.text


def test_a_ledger_that_cannot_be_read_is_a_503(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: Any) -> None:
        raise LedgerLocked("sqlite:////srv/secret/ledger.db is locked")

    monkeypatch.setattr(Ledger, "clips", locked)
    answer = api().get("/healthz")
    assert problem(answer) == (503, "unavailable")
    assert "secret" not in answer.text


def test_no_answer_but_the_signed_manifest_itself_tells_of_people_paths_or_runs(
    api: Api, recorded: Recorded
) -> None:
    """California SB 942 §22757.2(a): system provenance data, no personal provenance data."""
    client = api()
    manifest = client.get(f"/manifests/{recorded.manifest_id}").content
    assert PERSON.encode() in manifest  # its signer put a name into the title: it is handed out as signed
    value = base64.b64encode(clip_id_hex(recorded.row.clip_id).encode()).decode()
    query = {"alg": SOFT_BINDING_ALG, "value": value}
    answers = [
        client.get("/matches/byBinding", params=query).text,
        client.post("/matches/byContent", content=recorded.signed.read_bytes()).text,
        client.post("/matches/byContent", content=recorded.copy.read_bytes()).text,
        client.get("/.well-known/c2pa-soft-binding-resolution").text,
        client.get("/services/supportedAlgorithms").text,
        client.get("/matches/byBinding", params={"alg": PERSON, "value": "x"}).text,
    ]
    row = recorded.row
    private = [
        PERSON,
        row.run.key,
        str(recorded.settings.home),
        row.asset.sha256.hex(),
        recorded.mark_keys.master.hex(),
        recorded.mark_keys.current.hex(),
    ]
    private += [row.manifest.signer] if row.manifest else []
    for answer in answers:
        for word in private:
            assert word not in answer
    detail = json.loads(answers[1])["matches"][0]["org.clipproof.match"]
    assert set(detail["origin"]) <= {
        *("clipId", "source", "digitalSourceType", "recorded", "system", "model", "modelVersion")
    }


def test_a_model_is_told_by_name_and_never_by_a_folder_on_someones_disk() -> None:
    told = resolve._PUBLIC_MODEL.fullmatch
    assert told("clipproof/spacetime-tiny")
    assert told("embedded")
    for private in ("/home/wilhelmina/models/x", "../x", "C:\\Users\\w", "a/b/c", "~/x"):
        assert not told(private)


def test_the_log_holds_no_address_no_query_and_no_identifier(
    api: Api, recorded: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    client = api(client=("203.0.113.77", 4711))
    with caplog.at_level(logging.INFO, "clipproof.web"):
        client.get("/matches/byBinding", params={"alg": PERSON, "value": "Zm9v"})
        client.get(f"/manifests/{recorded.manifest_id}")
    lines = [record.getMessage() for record in caplog.records if record.name == "clipproof.web"]
    assert lines[0].startswith("203.0.113.0/24 GET /matches/byBinding 400 ")
    assert lines[1].startswith("203.0.113.0/24 GET /manifests/{manifestId} 200 ")
    assert not any(secret in line for line in lines for secret in (".77", "Zm9v", recorded.manifest_id))


def test_the_service_object_shows_no_key(recorded: Recorded, ledger: Any) -> None:
    shown = repr(web_app.Service(ledger, "X", mark_keys=recorded.mark_keys))
    for key in (recorded.mark_keys.master, recorded.mark_keys.current):
        assert key.hex() not in shown
        assert repr(key) not in shown


def test_every_problem_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    for code, (status, _) in PROBLEMS.items():
        assert f"| {status} | `{code}` |" in page
