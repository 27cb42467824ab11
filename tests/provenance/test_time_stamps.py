"""RFC 3161: a stamped clip outlives its certificate, and an authority that fails or lies stamps nothing."""

import contextlib
import datetime
import socket
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rfc3161_client import TimestampRequestBuilder
from time_authority import TimeAuthority, make_authority, send, serving

from provenance.errors import TimeStampError
from provenance.identity import Identity
from provenance.keys import Keys
from provenance.manifest import Claim
from provenance.reading import read_manifest
from provenance.signing import sign_file, stamp_file
from provenance.timestamps import TimeStampAuthority, parse_query
from provenance.trust import TrustAnchors, TrustList

OtherIdentity = Callable[..., tuple[Identity, TrustAnchors]]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TimeAuthority]:
    with serving(make_authority(tmp_path_factory.mktemp("tsa"))) as authority:
        yield authority


@pytest.fixture
def authority(running: TimeAuthority) -> Iterator[TimeAuthority]:
    running.requests = 0
    yield running
    running.answer, running.down = None, False


def with_time(trust: TrustAnchors, authority: TimeAuthority) -> TrustAnchors:
    return trust.plus([TrustList.from_pem(authority.root_pem, source="time", purpose="tsa")])


def query(text: bytes = b"claim") -> bytes:
    return TimestampRequestBuilder().data(text).nonce(nonce=True).build().as_bytes()


def test_a_stamped_clip_outlives_its_certificate_and_a_late_stamp_saves_another(
    plain_clip: Path,
    generated_claim: Claim,
    other_identity: OtherIdentity,
    authority: TimeAuthority,
    tmp_path: Path,
) -> None:
    identity, root = other_identity(validity=datetime.timedelta(seconds=4))
    trust = with_time(root, authority)
    client = TimeStampAuthority(authority.url, trust)
    stamped, plain, late = (tmp_path / f"{name}.mp4" for name in ("stamped", "plain", "late"))
    assert sign_file(plain_clip, stamped, generated_claim, identity, trust, authority=client).has_timestamp
    assert not sign_file(plain_clip, plain, generated_claim, identity, trust).has_timestamp
    _, asked, token = stamp_file(plain, late, identity, trust, client)
    assert len(asked.imprint) >= 32
    assert len(token) > 500
    time.sleep(max(0.0, (identity.not_after - datetime.datetime.now(datetime.UTC)).total_seconds() + 1.1))
    states = {path.stem: read_manifest(path, trust).state for path in (stamped, plain, late)}
    assert states == {"stamped": "trusted", "plain": "expired", "late": "trusted"}
    reading = read_manifest(late, trust)
    assert [entry.clip_ids for entry in reading.ingredients] == [(generated_claim.clip_id,)]


def hang(_handler: BaseHTTPRequestHandler, _query: bytes) -> None:
    time.sleep(3)


def drip(handler: BaseHTTPRequestHandler, _query: bytes) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
    for _ in range(30):
        handler.wfile.write(b"0")
        handler.wfile.flush()
        time.sleep(0.1)


def test_an_honest_answer_is_taken(anchors: TrustAnchors, authority: TimeAuthority) -> None:
    assert TimeStampAuthority(authority.url, with_time(anchors, authority)).stamp(query())


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("wrong imprint", "Mismatch between messages"),
        ("wrong nonce", "Nonce mismatch"),
        ("garbage", "not a time-stamp response"),
        ("empty", "not a time-stamp response"),
        ("too much", "too much"),
        ("hang", "within 0.5 s"),
        ("drip", "within 0.5 s"),
        ("down", "503"),
    ],
)
def test_an_authority_that_fails_or_lies_stamps_nothing(
    answer: str,
    said: str,
    plain_clip: Path,
    generated_claim: Claim,
    home_keys: Keys,
    anchors: TrustAnchors,
    authority: TimeAuthority,
    tmp_path: Path,
) -> None:
    def other_nonce(handler: BaseHTTPRequestHandler, asked: bytes) -> None:
        nonce = parse_query(asked).nonce
        assert nonce is not None
        number = nonce.to_bytes((nonce.bit_length() + 8) // 8, "big", signed=True)
        changed = number[:-1] + bytes([number[-1] ^ 1])
        send(handler, authority.reply(asked.replace(number, changed)))

    def other_imprint(handler: BaseHTTPRequestHandler, asked: bytes) -> None:
        imprint = parse_query(asked).imprint
        send(handler, authority.reply(asked.replace(imprint, bytes(len(imprint)))))

    authority.answer = {
        "wrong imprint": other_imprint,
        "wrong nonce": other_nonce,
        "garbage": lambda handler, _: send(handler, b"\x30\x82junk" * 9),
        "empty": lambda handler, _: send(handler, b""),
        "too much": lambda handler, _: send(handler, bytes(1 << 20)),
        "hang": hang,
        "drip": drip,
    }.get(answer)
    authority.down = answer == "down"
    trust = with_time(anchors, authority)
    client = TimeStampAuthority(authority.url, trust, timeout_s=0.5 if answer in ("hang", "drip") else 15)
    target = tmp_path / "out.mp4"
    started = time.monotonic()
    with pytest.raises(TimeStampError, match=said):
        sign_file(plain_clip, target, generated_claim, home_keys.identity, trust, authority=client)
    assert time.monotonic() - started < 10
    assert list(tmp_path.iterdir()) == []


def test_a_redirect_leads_nowhere(anchors: TrustAnchors, authority: TimeAuthority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(0.3)

        def redirect(handler: BaseHTTPRequestHandler, _query: bytes) -> None:
            handler.send_response(307)
            handler.send_header("Location", f"http://127.0.0.1:{other.getsockname()[1]}/")
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        authority.answer = redirect
        with pytest.raises(TimeStampError, match="307"):
            TimeStampAuthority(authority.url, with_time(anchors, authority)).stamp(query())
        with pytest.raises(TimeoutError):
            other.accept()


def test_an_authority_outside_the_anchors_or_for_another_purpose_is_not_believed(
    anchors: TrustAnchors, authority: TimeAuthority, tmp_path: Path
) -> None:
    with pytest.raises(TimeStampError, match="no trust anchors"):
        TimeStampAuthority(authority.url, anchors).stamp(query())
    as_signer = anchors.plus([TrustList.from_pem(authority.root_pem, source="signers", purpose="signer")])
    with pytest.raises(TimeStampError, match="no trust anchors"):
        TimeStampAuthority(authority.url, as_signer).stamp(query())
    with (
        serving(make_authority(tmp_path)) as stranger,
        pytest.raises(TimeStampError, match="does not verify"),
    ):
        TimeStampAuthority(stranger.url, with_time(anchors, authority)).stamp(query())


@pytest.mark.parametrize(
    "url", ["ftp://time/", "file:///etc/passwd", "time.example", "http://me:pin@time/", "http://"]
)
def test_an_address_that_is_none_is_refused(url: str, anchors: TrustAnchors) -> None:
    with pytest.raises(TimeStampError) as caught:
        TimeStampAuthority(url, anchors)
    assert "pin" not in str(caught.value)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader_of_requests(der: bytes) -> None:
    with contextlib.suppress(TimeStampError):
        parse_query(der)
