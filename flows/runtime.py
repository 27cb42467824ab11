"""The local Prefect server and worker that `clipproof up | down | status` own.

Bound to loopback, on a free port, with its files in the home. The server of one home is found again through
`prefect/runtime.json`; a process that is no longer ours (another program with a recycled id) is never
signalled. Its output goes to log files, never to the user's screen. Imports no prefect: the server is a
subprocess, and asking whether it is up is one HTTP request.
"""

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from flows.settings import Settings, quiet_prefect

WORK_POOL = "clipproof"
_START_S = 240.0  # 12–22 s on a quiet machine, measured; minutes on one that is swamped
_STOP_S = 20.0


class RuntimeFailure(Exception):
    """The local server or worker does not start or answer; `hint` says what to look at."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Process:
    pid: int
    started: float  # the kernel's start time of that pid, which tells it from a later one with its number


@dataclass(frozen=True, slots=True)
class Status:
    """What runs for this home. `api_url` is None where the server is down."""

    api_url: str | None
    ui_url: str | None
    server_pid: int | None
    worker_pid: int | None
    log_folder: str


def status(settings: Settings) -> Status:
    """Which of server and worker are alive and answering."""
    state = _read_state(settings)
    server, worker = _alive(state.get("server")), _alive(state.get("worker"))
    url = f"http://127.0.0.1:{state['port']}" if server and _healthy(state["port"]) else None
    return Status(
        api_url=f"{url}/api" if url else None,
        ui_url=url,
        server_pid=server.pid if server else None,
        worker_pid=worker.pid if worker else None,
        log_folder=str(settings.prefect_folder / "logs"),
    )


def up(settings: Settings, *, worker: bool = False, say: Callable[[str], None] = lambda _: None) -> Status:
    """Start what is not yet up and wait until it answers; safe to call from many processes at once."""
    with _locked(settings):
        now = status(settings)
        if now.api_url is None:
            say("starting the local Prefect server (about 15 s, once)")
            _end(_alive(_read_state(settings).get("server")))
            _start_server(settings)
            now = status(settings)
        if worker and now.worker_pid is None:
            say("starting the worker for scheduled runs")
            _start_worker(settings, str(now.api_url))
    return status(settings)


def down(settings: Settings) -> bool:
    """Stop worker and server; whether there was anything to stop."""
    if not settings.prefect_folder.is_dir():
        return False
    with _locked(settings):
        state = _read_state(settings)
        running = [p for p in (_alive(state.get("worker")), _alive(state.get("server"))) if p]
        for process in running:
            _end(process)
        _state_path(settings).unlink(missing_ok=True)
    return bool(running)


def use(settings: Settings, *, say: Callable[[str], None] = lambda _: None) -> None:
    """Point this process's Prefect, which must not be imported yet, at the local server; start it if need be.

    A `PREFECT_API_URL` that the user has set wins: then it is their server, and we start none.
    """
    for name, value in quiet_prefect(settings).items():
        os.environ.setdefault(name, value)
    if "PREFECT_API_URL" not in os.environ:
        os.environ["PREFECT_API_URL"] = str(up(settings, say=say).api_url)


def _start_server(settings: Settings) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    process = _spawn(settings, "server", command, {"PREFECT_SERVER_LOGGING_LEVEL": "WARNING"})
    _write_state(settings, server=asdict(_identity(process.pid)), port=port)
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if _healthy(port):
            return
        time.sleep(0.3)
    process.kill()
    raise RuntimeFailure(
        "the local Prefect server did not start",
        hint=f"Read {settings.prefect_folder / 'logs' / 'server.log'}.",
    )


def _start_worker(settings: Settings, api_url: str) -> None:
    command = [sys.executable, "-m", "prefect", "--no-prompt", "worker", "start", "--pool", WORK_POOL]
    command += ["--type", "process", "--name", "clipproof-local", "--install-policy", "never"]
    command += ["--limit", str(settings.concurrency)]
    environment = {
        "PREFECT_API_URL": api_url,
        "PREFECT_WORKER_QUERY_SECONDS": "5",
        "PREFECT_LOGGING_LEVEL": "INFO",
    }
    process = _spawn(settings, "worker", command, environment)
    _write_state(settings, worker=asdict(_identity(process.pid)))
    with contextlib.suppress(subprocess.TimeoutExpired):  # one that cannot start ends at once
        process.wait(timeout=2)
        raise RuntimeFailure(
            "the worker did not start", hint=f"Read {settings.prefect_folder / 'logs' / 'worker.log'}."
        )


def _spawn(
    settings: Settings, name: str, command: list[str], extra: dict[str, str]
) -> subprocess.Popen[bytes]:
    logs = settings.prefect_folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    environment = os.environ | settings.environment() | quiet_prefect(settings) | extra
    with (logs / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            cwd=settings.home,
            start_new_session=True,  # Ctrl-C in the user's terminal is not meant for it
        )


def _healthy(port: object) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError, ValueError):
        return False


def _end(process: Process | None) -> None:
    """Interrupt, as Prefect ends cleanly on INT alone; kill what does not listen."""
    if process is None:
        return
    for number, patience in ((signal.SIGINT, _STOP_S), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if _alive(asdict(process)) is None:
                return
            time.sleep(0.1)


def _identity(pid: int) -> Process:
    return Process(pid, _kernel_start(pid) or 0.0)


def _alive(said: object) -> Process | None:
    if not isinstance(said, dict):
        return None
    process = Process(int(said["pid"]), float(said["started"]))
    with contextlib.suppress(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)  # our own ended child would stay a zombie, which looks alive
    return process if _kernel_start(process.pid) == process.started else None


def _kernel_start(pid: int) -> float | None:
    """Start time of a live process: ticks since boot where there is /proc, else `ps`'s clock time."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] == "Z" else float(fields[19])
    except (OSError, IndexError):
        if Path("/proc/self/stat").exists():
            return None
    done = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True)  # noqa: S607
    return float(zlib.crc32(done.stdout.encode())) if done.stdout.strip() else None


def _state_path(settings: Settings) -> Path:
    return settings.prefect_folder / "runtime.json"


def _read_state(settings: Settings) -> dict[str, object]:
    try:
        state = json.loads(_state_path(settings).read_text())
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def _write_state(settings: Settings, **changes: object) -> None:
    path = _state_path(settings)
    tmp = path.with_suffix(".tmp")
    tmp.write_text(json.dumps(_read_state(settings) | changes))
    tmp.replace(path)


@contextlib.contextmanager
def _locked(settings: Settings) -> Iterator[None]:
    settings.prefect_folder.mkdir(parents=True, exist_ok=True)
    with (settings.prefect_folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
