"""Downloads: only from public addresses, never more than allowed, whole or not at all."""

import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from media import FetchFailed
from media.fetch import FetchLimits, fetch, is_public

CLIP = b"a clip, as far as a server knows " * 1000

Answer = Callable[[BaseHTTPRequestHandler], None]


def is_here(address: str) -> bool:
    """The rule for a test's own server, instead of the real one, which refuses it."""
    return address in ("127.0.0.1", "::1")


def whole(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(len(CLIP)))
    request.end_headers()
    request.wfile.write(CLIP)


def redirect(target: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", target)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


def endless(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    while True:
        request.wfile.write(bytes(1 << 16))


def drip(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    while True:
        request.wfile.write(b".")
        request.wfile.flush()
        time.sleep(0.02)


def dripping_header(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        request.wfile.write(b".")
        request.wfile.flush()
        time.sleep(0.02)


def silent(request: BaseHTTPRequestHandler) -> None:
    request.server.ended.wait(30)  # type: ignore[attr-defined]


def cut_short(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(2 * len(CLIP)))
    request.end_headers()
    request.wfile.write(CLIP)


def announced_too_large(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(10**15))
    request.end_headers()


def compressed(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Encoding", "gzip")
    request.send_header("Content-Length", "0")
    request.end_headers()


ANSWERS: dict[str, Answer] = {
    "/clip.mp4": whole,
    "/one-further": redirect("/clip.mp4"),
    "/in-a-circle": redirect("/in-a-circle"),
    "/to-metadata": redirect("http://169.254.169.254/latest/meta-data/"),
    "/to-a-file": redirect("file:///etc/hostname"),
    "/endless": endless,
    "/drip": drip,
    "/dripping-header": dripping_header,
    "/silent": silent,
    "/cut-short": cut_short,
    "/announced-too-large": announced_too_large,
    "/compressed": compressed,
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))  # type: ignore[attr-defined]
        self.close_connection = True
        with contextlib.suppress(OSError):
            ANSWERS.get(self.path, lambda request: request.send_error(404))(self)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.ended = [], threading.Event()  # type: ignore[attr-defined]
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadingHTTPServer]:
    with serving() as one:
        yield one


def at(server: ThreadingHTTPServer, path: str, host: str = "127.0.0.1") -> str:
    return f"http://{host}:{server.server_port}{path}"


@pytest.mark.parametrize("path", ["/clip.mp4", "/one-further"])
def test_a_file_arrives_whole(server: ThreadingHTTPServer, path: str, tmp_path: Path) -> None:
    fetch(at(server, path), tmp_path / "clip", is_allowed=is_here)
    assert (tmp_path / "clip").read_bytes() == CLIP


@pytest.mark.parametrize(
    ("path", "limits", "reason"),
    [
        ("/nothing", FetchLimits(), "answers 404"),
        ("/endless", FetchLimits(max_bytes=1 << 20), "more than 1048576 bytes"),
        ("/announced-too-large", FetchLimits(), "more than 1000000000 bytes"),
        ("/drip", FetchLimits(total_s=0.3), "not whole within 0.3 s"),
        ("/dripping-header", FetchLimits(total_s=0.3), "not whole within 0.3 s"),
        ("/silent", FetchLimits(read_s=0.2), "went silent"),
        ("/cut-short", FetchLimits(), "cannot be fetched"),
        ("/compressed", FetchLimits(), "compressed"),
        ("/in-a-circle", FetchLimits(), "more than 5 redirects"),
        ("/to-metadata", FetchLimits(), "169.254.169.254, which is not a public address"),
        ("/to-a-file", FetchLimits(), "file: is not fetched"),
    ],
)
def test_what_goes_wrong_is_said_and_leaves_no_file(
    server: ThreadingHTTPServer, path: str, limits: FetchLimits, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(FetchFailed, match=reason) as caught:
        fetch(at(server, path), tmp_path / "clip", limits=limits, is_allowed=is_here)
    assert caught.value.hint
    assert str(caught.value).startswith(at(server, path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "127.1", "0x7f.0.0.1", "0"])
def test_the_real_rule_refuses_this_machine_however_it_is_written(
    server: ThreadingHTTPServer, host: str, tmp_path: Path
) -> None:
    before = len(server.asked)  # type: ignore[attr-defined]
    with pytest.raises(FetchFailed, match="not a public address"):
        fetch(at(server, "/clip.mp4", host), tmp_path / "clip")
    assert len(server.asked) == before  # type: ignore[attr-defined]


def test_a_name_that_changes_its_mind_is_asked_once(
    server: ThreadingHTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: public when checked, this machine when connected to."""
    asked = []
    real = socket.getaddrinfo

    def resolve(host: str, port: int, *rest: object, **named: object) -> list[tuple[object, ...]]:
        if host == "rebinding.example":
            asked.append(host)
            host = "127.0.0.1" if len(asked) == 1 else "169.254.169.254"
        return list(real(host, port, *rest, **named))  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    fetch(at(server, "/clip.mp4", "rebinding.example"), tmp_path / "clip", is_allowed=is_here)
    assert (tmp_path / "clip").read_bytes() == CLIP
    assert asked == ["rebinding.example"]


def test_proxies_and_credentials_of_the_environment_are_not_used(
    server: ThreadingHTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    fetch(at(server, "/clip.mp4"), tmp_path / "clip", is_allowed=is_here)
    _, headers = server.asked[-1]  # type: ignore[attr-defined]
    assert {name.lower() for name in headers} == {"host", "accept-encoding", "user-agent"}


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://example.com/clip.mp4", "ftp: is not fetched"),
        ("file:///etc/hostname", "file: is not fetched"),
        ("http://me:secret@example.com/clip.mp4", "user or password"),
        ("http://", "not fetched"),
        ("http://[::1/", "not an address"),
        ("http://example.com:99999/", "port 99999"),
        ("http://no-such-name.invalid/", "is not known"),
        ("http://example.com/" + "a" * 9000, "too long"),
    ],
)
def test_addresses_that_are_never_fetched(url: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(FetchFailed, match=reason):
        fetch(url, tmp_path / "clip")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "address",
    "127.0.0.1 127.255.0.1 0.0.0.0 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 100.100.100.200"
    " 192.0.2.1 198.18.0.1 203.0.113.7 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255 168.63.129.16"
    " :: ::1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 64:ff9b::7f00:1 2002:7f00:1:: 2001::1 2001:db8::1 fc00::1"
    " fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1 nonsense".split(),
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", "8.8.8.8 1.1.1.1 93.184.215.14 2606:4700::1111 2a00:1450:4001::1".split())
def test_addresses_that_are_public(address: str) -> None:
    assert is_public(address)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(alternative, critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def test_tls_needs_an_authority_and_the_host_name(certificate: Path, tmp_path: Path) -> None:
    own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    own.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=str(certificate))
    with serving(own) as server:
        port = server.server_port
        url = f"https://127.0.0.1:{port}/clip.mp4"
        fetch(url, tmp_path / "clip", is_allowed=is_here, tls=trusting)
        assert (tmp_path / "clip").read_bytes() == CLIP
        with pytest.raises(FetchFailed, match="certificate verify failed"):
            fetch(url, tmp_path / "other", is_allowed=is_here)
        with pytest.raises(FetchFailed, match="localhost"):
            fetch(f"https://localhost:{port}/clip.mp4", tmp_path / "other", is_allowed=is_here, tls=trusting)
    assert not (tmp_path / "other").exists()
