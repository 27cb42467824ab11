"""`clipproof serve`: the Soft Binding Resolution API of this home, over HTTP."""

from typing import Annotated

import typer

from clipproof.cli.output import Json, emit, out, say


def serve(
    api: Annotated[bool, typer.Option("--api", help="Serve the C2PA Soft Binding Resolution API.")] = False,
    host: Annotated[str, typer.Option(help="Address to bind.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to bind; 0 takes a free one.")] = 8745,
    public: Annotated[
        bool, typer.Option("--public", help="Allow an address that other machines reach.")
    ] = False,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(help="Answer under this host name too; others are refused.", metavar="NAME"),
    ] = None,
    cors_origin: Annotated[
        list[str] | None,
        typer.Option(help="Let pages of this origin read the answers.", metavar="ORIGIN"),
    ] = None,
    forwarded_allow_ips: Annotated[
        list[str] | None,
        typer.Option(help="Believe X-Forwarded-For from this proxy's address.", metavar="ADDRESS"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Serve this home's public records: who made a clip is looked up by watermark, by file or by manifest.

    Reads only; opens no connection. Ends with 0 on SIGTERM, with 130 on Ctrl-C.
    """
    if not api:
        raise typer.BadParameter("the web pages are not there yet; the API is: --api", param_hint="--api")
    from clipproof.web.app import Service, create_app
    from clipproof.web.server import ServeError, bind, is_loopback
    from clipproof.web.server import serve as serve_app
    from flows.home import keys_if_any
    from flows.settings import load_settings
    from provenance.ledger import connect

    if not is_loopback(host) and not (public and allowed_host):
        raise ServeError(
            f"on {host} everyone who reaches this machine can look up every recorded clip and send files to decode",
            exit_code=2,
            hint="If that is meant: --public, and --allowed-host NAME for the name that clients use. "
            "Put a proxy with TLS in front.",
        )
    settings = load_settings()
    keys = keys_if_any(settings)
    with connect(settings.ledger_url) as ledger:
        service = Service(
            ledger=ledger,
            provider=settings.organisation,
            mark_keys=None if keys is None else keys.mark_keys,
            allowed_hosts=("127.0.0.1", "localhost", "[::1]", *(allowed_host or ())),
            cors_origins=tuple(cors_origin or ()),
        )
        del keys  # the signing key is not needed, so it is not kept
        bound = bind(host, port)
        port = bound.getsockname()[1]
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}"

        def ready() -> None:
            emit(
                {"schema": "clipproof.serve/1", "url": url, "mark_key": service.mark_keys is not None},
                as_json=as_json,
                text=lambda: out.print(url),
            )
            out.file.flush()
            if service.mark_keys is None:
                say("no mark key in this home: watermarks in uploaded files are not read", style="yellow")

        serve_app(
            create_app(service), bound, forwarded_allow_ips=tuple(forwarded_allow_ips or ()), ready=ready
        )
    say("stopped")
