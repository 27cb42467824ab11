"""`clipproof up | down | status`: the local Prefect server and its worker."""

from dataclasses import asdict

from rich.markup import escape

from clipproof.cli.output import Json, emit, out, say


def up(as_json: Json = False) -> None:
    """Start the local Prefect server and the worker that runs scheduled campaigns."""
    from flows import runtime
    from flows.settings import load_settings

    settings = load_settings()
    settings.home.mkdir(parents=True, exist_ok=True)
    runtime.up(settings, worker=True, say=say)
    status(as_json=as_json)


def down(as_json: Json = False) -> None:
    """Stop both."""
    from flows import runtime
    from flows.settings import load_settings

    stopped = runtime.down(load_settings())
    emit(
        {"schema": "clipproof.down/1", "stopped": stopped},
        as_json=as_json,
        text=lambda: out.print("stopped" if stopped else "nothing was running"),
    )


def status(as_json: Json = False) -> None:
    """What runs, and where the production board is."""
    from flows import runtime
    from flows.settings import load_settings

    settings = load_settings()
    now = runtime.status(settings)

    def text() -> None:
        out.print(f"home    {escape(str(settings.home))}")
        out.print(f"server  {f'up, {now.ui_url} (pid {now.server_pid})' if now.api_url else 'down'}")
        out.print(
            f"worker  {f'up (pid {now.worker_pid})' if now.worker_pid else 'down: schedules do not run'}"
        )
        out.print(f"logs    {escape(now.log_folder)}")

    emit(
        {"schema": "clipproof.status/1", "home": str(settings.home), **asdict(now)},
        as_json=as_json,
        text=text,
    )
