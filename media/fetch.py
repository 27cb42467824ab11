"""One file from a public web server, within bounds of size and time.

Lists of URLs come from strangers, and this process may stand in a network that they cannot reach. So the name is
resolved here, every address that it gives must be public, and the connection goes to exactly the address that was
checked: a name that answers differently the second time gains nothing. That holds for each redirect, too. Neither
proxies nor credentials are taken from the environment.
"""

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpcore
import httpx

from media.errors import FetchFailed

MAX_REDIRECTS: Final = 5

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MAX_URL: Final = 8192
_GLOBAL_UNICAST_V6: Final = ipaddress.ip_network("2000::/3")
# IPv4 addresses in disguise: 6to4 and Teredo. (Mapped ones and NAT64 lie outside 2000::/3.)
_TUNNELS: Final = tuple(map(ipaddress.ip_network, ("2001::/32", "2002::/16")))
# Public by the registry, but a virtual machine's way to its host's own services in one cloud.
_HOST_SERVICES: Final = frozenset({"168.63.129.16"})

AddressRule = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """What one download may cost: bytes, seconds in all, seconds without a byte."""

    max_bytes: int = 10**9
    total_s: float = 600.0
    read_s: float = 20.0


def is_public(address: str) -> bool:
    """Whether an IP address, as text, is global unicast: not loopback, private, link-local, shared, multicast …"""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.scope_id or ip not in _GLOBAL_UNICAST_V6 or any(ip in network for network in _TUNNELS):
            return False
    elif address in _HOST_SERVICES:
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def is_url(text: str) -> bool:
    """Whether a line of a list names something on the web and not a file."""
    return text[:8].lower().startswith(("http://", "https://"))


def fetch(
    url: str,
    target: Path,
    stopped: threading.Event | None = None,
    *,
    limits: FetchLimits | None = None,
    is_allowed: AddressRule = is_public,
    tls: ssl.SSLContext | None = None,
) -> None:
    """Write what is at `url` (https or http) to the new file `target`; at most five redirects are followed.

    `is_allowed` says of an IP address whether it may be connected to. `tls`: default, the usual web authorities.
    `stopped`: ends the download at its next step once it is set.
    Raises `FetchFailed`, and then leaves no file.
    """
    limits = limits or FetchLimits()
    clock = _Clock(time.monotonic() + limits.total_s, stopped or threading.Event())
    backend = _CheckedBackend(is_allowed, clock)
    timeouts = {
        "connect": limits.read_s,
        "read": limits.read_s,
        "write": limits.read_s,
        "pool": limits.read_s,
    }
    try:
        where = _web_address(url)
        with httpcore.ConnectionPool(ssl_context=tls, network_backend=backend) as pool:
            for _ in range(MAX_REDIRECTS + 1):
                request = httpcore.URL(
                    scheme=where.raw_scheme, host=where.raw_host, port=where.port, target=where.raw_path
                )
                headers = [
                    (b"Host", where.netloc),
                    (b"Accept-Encoding", b"identity"),
                    (b"User-Agent", b"clipproof"),
                ]
                with pool.stream("GET", request, headers=headers, extensions={"timeout": timeouts}) as answer:
                    fields = {name.lower(): value for name, value in answer.headers}
                    if answer.status in _REDIRECTS and b"location" in fields:
                        where = _web_address(fields[b"location"].decode("latin-1"), base=where)
                        continue
                    return _save(answer, fields, target, limits.max_bytes)
        raise FetchFailed(f"more than {MAX_REDIRECTS} redirects", hint="Give the last address itself.")
    except FetchFailed as error:
        raise FetchFailed(f"{url}: {error}", hint=error.hint) from None
    except httpcore.TimeoutException:
        took = f"not whole within {limits.total_s:g} s" if clock.left() <= 0 else "the server went silent"
        raise FetchFailed(f"{url}: {took}", hint="Try again later, or fetch it by other means.") from None
    except (httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError) as error:
        raise FetchFailed(
            f"{url}: cannot be fetched ({error or type(error).__name__})", hint="Check the address."
        ) from None


def _web_address(text: str, *, base: httpx.URL | None = None) -> httpx.URL:
    """The URL in its encoded form. Raises `FetchFailed` for all but plain http and https."""
    if len(text) > _MAX_URL:
        raise FetchFailed("the address is too long", hint="Check the address.")
    try:
        url = httpx.URL(text) if base is None else base.join(text)
    except (httpx.InvalidURL, ValueError) as error:
        raise FetchFailed(f"not an address on the web ({error})", hint="Check the address.") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise FetchFailed(f"{url.scheme or 'this'}: is not fetched", hint="Give an https or http address.")
    if url.port is not None and not 0 < url.port < 65_536:
        raise FetchFailed(f"port {url.port} does not exist", hint="Check the address.")
    if url.userinfo:
        raise FetchFailed("names a user or password", hint="Give an address that needs no credentials.")
    return url


def _save(answer: httpcore.Response, fields: dict[bytes, bytes], target: Path, max_bytes: int) -> None:
    if answer.status != 200:
        raise FetchFailed(f"the server answers {answer.status}", hint="Check the address.")
    if fields.get(b"content-encoding", b"identity") != b"identity":
        raise FetchFailed("comes compressed though that was not asked for", hint="Fetch it by other means.")
    too_large = FetchFailed(
        f"more than {max_bytes} bytes", hint="Raise --max-download if you trust the server."
    )
    announced = fields.get(b"content-length", b"0")
    if announced.isdigit() and int(announced) > max_bytes:
        raise too_large
    written = 0
    whole = False
    try:
        with target.open("xb") as file:
            for chunk in answer.iter_stream():
                written += len(chunk)
                if written > max_bytes:
                    raise too_large
                file.write(chunk)
        whole = True
    except OSError as error:
        raise FetchFailed(f"cannot be kept ({error.strerror})", hint="Check the free space.") from None
    finally:
        if not whole:
            target.unlink(missing_ok=True)


class _Clock:
    """The time that a whole download has, however many parts it comes in."""

    def __init__(self, deadline: float, stopped: threading.Event) -> None:
        self._deadline, self._stopped = deadline, stopped

    def left(self) -> float:
        return self._deadline - time.monotonic()

    def bound(self, timeout: float | None) -> float:
        """Seconds that the next step may take. Raises `httpcore.ReadTimeout` where none are left."""
        left = self.left()
        if left <= 0 or self._stopped.is_set():
            raise httpcore.ReadTimeout
        return left if timeout is None else min(timeout, left)


class _CheckedBackend(httpcore.NetworkBackend):
    """Resolves a name itself, and connects to the very address that passed the rule."""

    def __init__(self, is_allowed: AddressRule, clock: _Clock) -> None:
        self._is_allowed, self._clock = is_allowed, clock
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failed: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in self._addresses(host, port):
            try:
                stream = self._plain.connect_tcp(
                    address, port, self._clock.bound(timeout), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
                continue
            return _BoundedStream(stream, self._clock)
        raise failed

    def _addresses(self, host: str, port: int) -> list[str]:
        try:
            found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise FetchFailed(f"the name {host} is not known", hint="Check the address.") from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        # One private address among public ones is refused as a whole: which one is taken must not be luck.
        for address in addresses:
            if not self._is_allowed(address):
                raise FetchFailed(
                    f"{host} is {address}, which is not a public address",
                    hint="Fetch files of your own network by other means, and give their paths.",
                )
        return addresses


class _BoundedStream(httpcore.NetworkStream):
    """A connection whose every step ends with the download's time: a server that drips cannot hold it."""

    def __init__(self, stream: httpcore.NetworkStream, clock: _Clock) -> None:
        self._stream, self._clock = stream, clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._clock.bound(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._clock.bound(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._clock.bound(timeout))
        return _BoundedStream(secured, self._clock)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
