"""RFC 3161 time stamps: asked of one authority under limits, checked here, handed to the SDK.

The SDK's own client is not let out: its request for the stamp of a signature ignores `core.allowed_network_hosts`
(measured, 0.91.3), and it says neither how long it waits nor what it accepts. It talks to a relay in this process
instead; the relay makes the one request there is, and passes on only what verified.
"""

import contextlib
import hmac
import http.client
import secrets
import socket
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Final

from provenance.errors import TimeStampError
from provenance.trust import TrustAnchors

_MAX_QUERY_BYTES: Final = 4 << 10
_MAX_REPLY_BYTES: Final = 64 << 10
_INTEGER, _OCTETS, _SEQUENCE, _CERTIFICATES = 0x02, 0x04, 0x30, 0xA0
_REPLY_TYPE: Final = "application/timestamp-reply"


@dataclass(frozen=True, slots=True)
class Query:
    """What a TimeStampReq asks: the digest to be stamped, and the number that the answer must repeat."""

    imprint: bytes
    nonce: int | None


@dataclass(frozen=True, slots=True)
class TimeStampAuthority:
    """One authority at `url` (http or https). Its certificate must chain to one of `trust`.

    `stamp` connects to the host of `url` and to nothing else: redirects and proxies are not followed.
    """

    url: str
    trust: TrustAnchors = field(repr=False)
    timeout_s: float = 15.0

    def __post_init__(self) -> None:
        parts = urllib.parse.urlsplit(self.url)
        try:
            usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            usable = False
        if not usable or parts.username or parts.password:
            raise TimeStampError(
                "the address of the time-stamp authority is not one of http or https",
                hint="http(s)://HOST/PATH",
            )

    @property
    def host(self) -> str:
        """The host, for messages: the rest of an address may hold a customer's token."""
        return urllib.parse.urlsplit(self.url).hostname or ""

    def stamp(self, query_der: bytes) -> bytes:
        """The verified TimeStampResp to a TimeStampReq, both in DER. Raises `TimeStampError`."""
        query = parse_query(query_der)
        reply = self._fetch(query_der)
        self._verify(reply, query)
        return reply

    def _fetch(self, query_der: bytes) -> bytes:
        parts = urllib.parse.urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(self.host, parts.port, timeout=self.timeout_s)
        late = threading.Event()

        def end() -> None:
            late.set()
            if connection.sock is not None:
                with contextlib.suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)

        # The socket's own limit is per read: an authority that sends a byte a second would hold us for ever.
        deadline = threading.Timer(self.timeout_s, end)
        deadline.daemon = True
        deadline.start()
        response: http.client.HTTPResponse | None = None
        try:
            path = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
            connection.request("POST", path, query_der, {"Content-Type": "application/timestamp-query"})
            response = connection.getresponse()
            reply = response.read(_MAX_REPLY_BYTES + 1)
        except (OSError, http.client.HTTPException, ValueError) as error:
            slow = late.is_set() or isinstance(error, TimeoutError)
            why = f"no answer within {self.timeout_s:g} s" if slow else type(error).__name__
            raise TimeStampError(
                f"{self.host}: the time-stamp authority cannot be reached ({why})",
                hint="Try again later, or set CLIPPROOF_TSA_POLICY=queue.",
            ) from None
        finally:
            deadline.cancel()
            connection.close()
            if response is not None:
                response.close()
        if late.is_set():
            raise TimeStampError(
                f"{self.host}: no whole time stamp within {self.timeout_s:g} s", hint="Try again later."
            )
        if response.status != 200 or len(reply) > _MAX_REPLY_BYTES:
            said = "too much" if len(reply) > _MAX_REPLY_BYTES else f"status {response.status}"
            raise TimeStampError(
                f"{self.host}: the time-stamp authority answers with {said}",
                hint="Redirects are not followed: give the address that answers.",
            )
        return reply

    def _verify(self, reply: bytes, query: Query) -> None:
        """Status, imprint, nonce, purpose (EKU timeStamping), signature and chain."""
        from cryptography import x509
        from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response

        roots = x509.load_pem_x509_certificates(self.trust.tsa_pem.encode()) if self.trust.tsa_pem else []
        if not roots:
            raise TimeStampError(
                f"{self.host}: no trust anchors to check time stamps with",
                hint="Put the root of the authority into CLIPPROOF_TSA_ANCHORS.",
            )
        try:
            response = decode_timestamp_response(_in_order(reply))
            verifier = VerifierBuilder(roots=roots, nonce=query.nonce).build()
            verifier.verify(response, query.imprint)
        except (VerificationError, ValueError, IndexError, TypeError) as error:
            # Not a VerificationError: not DER, or refused. The words are the library's own, not the authority's.
            why = str(error) if isinstance(error, VerificationError) else "not a time-stamp response"
            raise TimeStampError(
                f"{self.host}: its time stamp does not verify ({why[:120]})",
                hint="Check the address, and that its root is in CLIPPROOF_TSA_ANCHORS.",
            ) from None


def parse_query(der: bytes) -> Query:
    """Imprint and nonce of a TimeStampReq (RFC 3161 §2.4.1). Raises `TimeStampError`."""
    try:
        ((tag, start, end),) = _elements(der, 0, len(der))
        fields = _elements(der, start, end)
        imprint, digest = fields[1], _elements(der, *fields[1][1:])[-1]
        if (tag, imprint[0], digest[0]) != (_SEQUENCE, _SEQUENCE, _OCTETS):
            raise ValueError("not the fields of a request")
        nonces = [der[at:to] for kind, at, to in fields[2:] if kind == _INTEGER]
    except (ValueError, IndexError):
        raise TimeStampError("not a time-stamp request") from None
    nonce = int.from_bytes(nonces[0], "big", signed=True) if nonces else None
    return Query(der[digest[1] : digest[2]], nonce)


def _in_order(reply: bytes) -> bytes:
    """The reply with its certificates in the order that DER asks of a set.

    Authorities, OpenSSL's among them, send them as they come, and the strict parser refuses that. They are outside
    what is signed, and no length changes. Raises `ValueError` or `IndexError` where it is no reply.
    """
    (whole,) = _elements(reply, 0, len(reply))
    token = _elements(reply, *whole[1:])[1]
    (signed_data,) = _elements(reply, *_elements(reply, *token[1:])[1][1:])
    for tag, start, end in _elements(reply, *signed_data[1:]):
        if tag == _CERTIFICATES:
            edges = [start, *(to for _, _, to in _elements(reply, start, end))]
            return reply[:start] + b"".join(sorted(reply[a:b] for a, b in pairwise(edges))) + reply[end:]
    return reply


def _elements(der: bytes, start: int, end: int) -> list[tuple[int, int, int]]:
    """Tag, start and end of the content of each element of definite length that lies between two places."""
    found = []
    while start < end:
        tag, length, start = der[start], der[start + 1], start + 2
        if length & 0x80:
            count = length & 0x7F
            if not 1 <= count <= 3:
                raise ValueError("an indefinite length, or one above 16 MiB")
            length, start = int.from_bytes(der[start : start + count], "big"), start + count
        if start + length > end:
            raise ValueError("cut off")
        found.append((tag, start, start + length))
        start += length
    return found


@dataclass(slots=True)
class Relay:
    """The authority as the SDK sees it: an address on loopback that nobody else knows.

    `replies` are the verified responses (DER) in order with what was asked; `failure` is why the first one is
    missing.
    """

    url: str
    origin: str  # host:port
    replies: list[tuple[Query, bytes]] = field(default_factory=list)
    failure: TimeStampError | None = None


@contextlib.contextmanager
def relay(authority: TimeStampAuthority) -> Iterator[Relay]:
    """A relay to `authority` while the SDK signs."""
    path = f"/{secrets.token_urlsafe(24)}"

    class Handler(BaseHTTPRequestHandler):
        timeout = authority.timeout_s

        def do_POST(self) -> None:
            size = self.headers.get("Content-Length", "")
            known = hmac.compare_digest(self.path.encode(), path.encode())
            if not known or not size.isdecimal() or int(size) > _MAX_QUERY_BYTES:
                return self.send_error(404)
            asked = self.rfile.read(int(size))
            try:
                reply = authority.stamp(asked)
            except TimeStampError as error:
                opened.failure = opened.failure or error
                return self.send_error(502)
            opened.replies.append((parse_query(asked), reply))
            self.send_response(200)
            self.send_header("Content-Type", _REPLY_TYPE)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            """Nothing: stderr is for people."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    origin = f"127.0.0.1:{server.server_port}"
    opened = Relay(f"http://{origin}{path}", origin)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield opened
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
