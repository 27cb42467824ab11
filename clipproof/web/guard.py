"""What every request passes before any of our code reads it: host, length, rate; and what every answer carries."""

import ipaddress
import logging
import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clipproof.web.problems import Problem

SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]@/]+)(?::[0-9]{1,5})?")

log = logging.getLogger("clipproof.web")


class RateLimit:
    """A bucket of tokens for each client address; at most `clients` are remembered, the longest silent go first."""

    def __init__(
        self, per_minute: int, *, clock: Callable[[], float] = time.monotonic, clients: int = 10_000
    ) -> None:
        self._per_minute, self._clock, self._clients = per_minute, clock, clients
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, client: str) -> int:
        """Takes a token: 0, or the whole seconds until there is one."""
        now = self._clock()
        tokens, seen = self._buckets.pop(client, (float(self._per_minute), now))
        tokens = min(float(self._per_minute), tokens + (now - seen) * self._per_minute / 60)
        allowed = tokens >= 1
        self._buckets[client] = (tokens - 1 if allowed else tokens, now)
        if len(self._buckets) > self._clients:
            self._buckets.popitem(last=False)
        return 0 if allowed else max(1, math.ceil((1 - tokens) * 60 / self._per_minute))


def client_network(scope: Scope) -> str:
    """Whom a limit counts for: an IPv4 address, or the /64 that one IPv6 subscriber has."""
    host = (scope.get("client") or ("", 0))[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return str(host)
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def loggable(client: str) -> str:
    """The client's network without the part that names a household: /24, /48."""
    try:
        address = ipaddress.ip_network(client).network_address
    except ValueError:
        return "-"
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))


def host_name(scope: Scope) -> str:
    """The name in the Host header, without the port; empty where there is none, or more than one."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if len(hosts) != 1:
        return ""
    found = _HOST.fullmatch(hosts[0].decode("latin-1").lower())
    return found[1] if found else ""


class Guard:
    """ASGI middleware. It refuses by itself, and adds the security headers to every answer, errors included."""

    def __init__(
        self, app: ASGIApp, *, allowed_hosts: Sequence[str], query_bytes: int, requests_per_minute: int
    ) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in allowed_hosts if host)  # none is no name
        self._query_bytes = query_bytes
        self._rate = RateLimit(requests_per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, client, status = time.monotonic(), client_network(scope), 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                named = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((name, value) for name, value in SECURITY_HEADERS if name not in named),
                ]
            await send(message)

        problem = self._refusal(scope, client)
        try:
            served: Any = self._app if problem is None else problem.response()
            await served(scope, receive, answer)
        except Exception as error:
            # Neither the message nor the values: both may quote what was sent.
            place = error.__traceback__
            while place is not None and place.tb_next is not None:
                place = place.tb_next
            where = f"{place.tb_frame.f_code.co_qualname}:{place.tb_lineno}" if place is not None else "?"
            log.error("%s in %s", type(error).__name__, where)
            if not status:
                await Problem("internal").response()(scope, receive, answer)
        finally:
            route = getattr(scope.get("route"), "path", "-")  # the template: an id never gets into the log
            spent_ms = 1000 * (time.monotonic() - started)
            log.info("%s %s %s %s %d ms", loggable(client), scope["method"], route, status or "-", spent_ms)

    def _refusal(self, scope: Scope, client: str) -> Problem | None:
        if host_name(scope) not in self._hosts:
            return Problem("unknown_host")
        if len(scope["query_string"]) + len(scope.get("raw_path") or b"") > self._query_bytes:
            return Problem("query_too_long")
        if wait := self._rate.wait_s(client):
            return Problem("rate_limited", retry_after_s=wait)
        return None
