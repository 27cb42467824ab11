"""The API as a process: one socket, bound before anything is said, stopped gracefully."""

import ipaddress
import logging
import signal
import socket
from collections.abc import Callable, Sequence

from starlette.types import ASGIApp

_STOP_S = 10


class ServeError(Exception):
    """The server cannot be started so; `hint` says what to do."""

    def __init__(self, message: str, *, exit_code: int, hint: str = "") -> None:
        super().__init__(message)
        self.exit_code, self.hint = exit_code, hint


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server on `host`. A name counts where all its addresses do."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def bind(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes a free one. Raises `ServeError`."""
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise ServeError(
            f"{host} port {port} cannot be bound ({error.strerror or error})",
            exit_code=5,
            hint="Choose another --port, or an address of this machine.",
        ) from None
    return bound


def serve(
    app: ASGIApp, bound: socket.socket, *, forwarded_allow_ips: Sequence[str], ready: Callable[[], None]
) -> None:
    """Serves until SIGTERM (returns) or Ctrl-C (raises what the caller's handler does); `ready` when listening."""
    import uvicorn

    logging.getLogger("clipproof.web").setLevel(logging.INFO)
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,  # its lines hold full addresses and queries
        server_header=False,
        proxy_headers=bool(forwarded_allow_ips),
        forwarded_allow_ips=list(forwarded_allow_ips),
        h11_max_incomplete_event_size=16 << 10,
        limit_concurrency=64,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=_STOP_S,
    )

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                ready()

    # uvicorn raises the signals that it took again when it has stopped; SIGTERM is how a service ends well.
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        Server(config).run(sockets=[bound])
    finally:
        signal.signal(signal.SIGTERM, before)
        bound.close()
