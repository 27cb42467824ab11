"""The C2PA Soft Binding Resolution API (2.2) over one ledger, as an ASGI application. It opens no connection."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi import Path as InPath
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from clipproof.web import documents
from clipproof.web.guard import Guard, RateLimit, client_network
from clipproof.web.limits import ApiLimits
from clipproof.web.problems import PROBLEMS, Problem
from clipproof.web.uploads import read_body, spool
from media import LimitExceeded, MediaError, UnsupportedMedia
from provenance import resolve
from provenance.errors import BindingError, ManifestIdError, ResolutionError, UnsupportedAlgorithm
from provenance.ledger import Ledger, LedgerError
from provenance.watermark import MarkKeys

SPECIFICATION = "C2PA Soft Binding Resolution API 2.2"

Alg = Annotated[str, Query(max_length=200, description="Name of a soft binding algorithm.")]
Value = Annotated[str, Query(max_length=4096, description="Base64 of the soft binding's value.")]
MaxResults = Annotated[int, Query(ge=1, le=resolve.MAX_RESULTS, description="At most so many matches.")]
ManifestId = Annotated[str, InPath(max_length=200, description="As `manifestId` in a match.")]


@dataclass(frozen=True, slots=True)
class Service:
    """What the API answers from. `mark_keys` alone of all keys: nothing here can sign."""

    ledger: Ledger
    provider: str
    mark_keys: MarkKeys | None = None
    limits: ApiLimits = field(default_factory=ApiLimits)
    allowed_hosts: Sequence[str] = ("127.0.0.1", "localhost", "[::1]")
    cors_origins: Sequence[str] = ()


class _Slots:
    """A number of places; there is one or there is none, nobody waits. For one event loop."""

    def __init__(self, places: int) -> None:
        self._free = places

    def take(self) -> Callable[[], None]:
        """A place, and the function that gives it back. Raises `Problem` "busy"."""
        if self._free == 0:
            raise Problem("busy", retry_after_s=10)
        self._free -= 1

        def give_back() -> None:
            self._free += 1

        return give_back


class _Content:
    """Uploaded files: received, examined in a thread and a confined child, deleted."""

    def __init__(self, service: Service, folder: Path, threads: ThreadPoolExecutor) -> None:
        limits = service.limits
        self._service, self._folder, self._threads = service, folder, threads
        self._uploads, self._jobs = _Slots(limits.uploads), _Slots(limits.content_jobs)
        self._rate = RateLimit(limits.uploads_per_minute)

    async def match(self, request: Request, hint: tuple[str, str] | None) -> tuple[resolve.Match, ...]:
        limits = self._service.limits
        if wait := self._rate.wait_s(client_network(request.scope)):
            raise Problem("rate_limited", retry_after_s=wait)
        end_upload = self._uploads.take()
        try:
            path = await spool(request, self._folder, most=limits.content.max_bytes, within_s=limits.upload_s)
        finally:
            end_upload()
        try:
            end_job = self._jobs.take()
        except Problem:
            path.unlink()
            raise
        job = asyncio.get_running_loop().run_in_executor(self._threads, self._examine, path, hint)
        # A thread is not to be stopped: its place is free when it has ended, whoever still waits for the answer.
        job.add_done_callback(lambda _: end_job())
        try:
            return await asyncio.wait_for(asyncio.shield(job), limits.answer_s)
        except TimeoutError:
            job.add_done_callback(lambda late: late.cancelled() or late.exception())
            raise Problem("answer_timeout", retry_after_s=60) from None

    def _examine(self, path: Path, hint: tuple[str, str] | None) -> tuple[resolve.Match, ...]:
        try:
            return resolve.match_content(
                path,
                ledger=self._service.ledger,
                mark_keys=self._service.mark_keys,
                hint=hint,
                limits=self._service.limits.content,
            )
        finally:
            path.unlink()


def create_app(service: Service) -> FastAPI:
    """The API over a ledger; the caller closes that."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with (
            tempfile.TemporaryDirectory(prefix="clipproof-api-") as folder,
            ThreadPoolExecutor(service.limits.content_jobs, "content") as threads,
        ):
            app.state.content = _Content(service, Path(folder), threads)
            yield

    app = FastAPI(
        title="C2PA Soft Binding Resolution API",
        version="2.2",
        summary="Finds the C2PA manifest of a clip that has lost it.",
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    if service.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(service.cors_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["content-type"],
        )
    app.add_middleware(
        Guard,
        allowed_hosts=service.allowed_hosts,
        query_bytes=service.limits.query_bytes,
        requests_per_minute=service.limits.requests_per_minute,
    )
    _add_queries(app, service)
    _add_descriptions(app, service)
    _add_problems(app)
    return app


def _problems(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an operation, by status."""
    always = ("unknown_host", "query_too_long", "rate_limited", "internal", "unavailable")
    said: dict[int | str, dict[str, Any]] = {}
    for code in (*codes, *always):
        status, title = PROBLEMS[code]
        one = said.setdefault(status, {"description": "", "content": _PROBLEM_CONTENT})
        one["description"] = f"{one['description']} `{code}`: {title}".strip()
    return said


_PROBLEM_CONTENT = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
_MANIFEST_CONTENT = {"application/c2pa": {"schema": {"type": "string", "format": "binary"}}}
_BINDING_BODY = {
    "required": True,
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/BindingQuery"}}},
}
_MEDIA_BODY = {
    "required": True,
    "content": {
        kind: {"schema": {"type": "string", "format": "binary"}}
        for kind in ("video/*", "image/gif", "application/octet-stream")
    },
}


def _add_queries(app: FastAPI, service: Service) -> None:
    ledger, limits = service.ledger, service.limits

    def result(matches: Sequence[resolve.Match], most: int) -> documents.QueryResult:
        return documents.QueryResult(matches=[documents.Match.of(match) for match in matches[:most]])

    binding_problems = _problems("invalid_parameter", "invalid_binding", "unsupported_algorithm")

    @app.get(
        "/matches/byBinding",
        operation_id="queryByBinding",
        tags=["query"],
        responses=binding_problems,
        response_model_exclude_none=True,
    )
    def by_binding(alg: Alg, value: Value, maxResults: MaxResults = 10) -> documents.QueryResult:
        """Manifest identifiers of a soft binding."""
        return result(resolve.match_binding(ledger, alg, value), maxResults)

    @app.post(
        "/matches/byBinding",
        operation_id="queryByLargeBinding",
        tags=["query"],
        responses=binding_problems
        | _problems("invalid_body", "invalid_binding", "too_large", "upload_timeout"),
        response_model_exclude_none=True,
        openapi_extra={"requestBody": _BINDING_BODY},
    )
    async def by_large_binding(request: Request, maxResults: MaxResults = 10) -> documents.QueryResult:
        """The same, for values that do not fit into an address."""
        body = await read_body(request, most=limits.json_bytes, within_s=limits.upload_s)
        try:
            query = documents.BindingQuery.model_validate_json(body)
        except ValidationError:
            raise Problem("invalid_body", "A JSON object with the texts `alg` and `value`.") from None
        found = await asyncio.to_thread(resolve.match_binding, ledger, query.alg, query.value)
        return result(found, maxResults)

    @app.post(
        "/matches/byContent",
        operation_id="uploadFile",
        tags=["query"],
        responses=_problems(
            *("invalid_parameter", "invalid_binding", "unsupported_algorithm", "upload_timeout", "too_large"),
            *("unsupported_media", "unreadable_media", "media_over_limits", "busy", "answer_timeout"),
        ),
        response_model_exclude_none=True,
        openapi_extra={"requestBody": _MEDIA_BODY},
    )
    async def by_content(
        request: Request,
        alg: Alg | None = None,
        hintAlg: Alg | None = None,
        hintValue: Value | None = None,
        maxResults: MaxResults = 10,
    ) -> documents.QueryResult:
        """Manifest identifiers of the clips that an uploaded video is, or comes from. The file is not kept."""
        if alg is not None:
            resolve.require_algorithm(alg)
        if (hintAlg is None) != (hintValue is None):
            raise Problem("invalid_parameter", "hintAlg and hintValue go together.")
        hint = (hintAlg, hintValue) if hintAlg is not None and hintValue is not None else None
        if hint is not None:
            resolve.check_hint(*hint)
        return result(await app.state.content.match(request, hint), maxResults)

    @app.post("/matches/byReference", include_in_schema=False)
    def by_reference() -> None:
        raise Problem("by_reference_refused")

    @app.get(
        "/manifests/{manifestId}",
        operation_id="getManifestById",
        tags=["fetch"],
        response_class=Response,
        responses=_problems("invalid_manifest_id", "invalid_parameter", "manifest_not_found")
        | {200: {"description": "The manifest store, as it was signed.", "content": _MANIFEST_CONTENT}},
    )
    def manifest(manifestId: ManifestId, returnActiveManifest: bool = False) -> Response:
        """The manifest store of that active manifest; with `returnActiveManifest` without its ingredients'."""
        store = resolve.manifest_store(ledger, manifestId, active_only=returnActiveManifest)
        if store is None:
            raise Problem("manifest_not_found")
        return Response(store, media_type="application/c2pa")


def _add_descriptions(app: FastAPI, service: Service) -> None:
    watermarks = [documents.Algorithm(alg=alg) for alg in resolve.supported_watermarks()]

    @app.get(
        "/services/supportedAlgorithms",
        operation_id="getSupportedBindings",
        tags=["service"],
        responses=_problems(),
    )
    def algorithms() -> documents.AlgorithmList:
        """Soft binding algorithms that /matches/byBinding resolves."""
        return documents.AlgorithmList(watermarks=watermarks, fingerprints=[])

    @app.get(
        "/.well-known/c2pa-soft-binding-resolution",
        operation_id="describeService",
        tags=["service"],
        responses=_problems(),
    )
    def describe() -> documents.Service:
        """What this service is and takes."""
        return documents.Service(
            specification=SPECIFICATION,
            provider=service.provider,
            watermarks=watermarks,
            registeredAlgorithms=False,
            notOffered=["/matches/byReference"],
            maxUploadBytes=service.limits.content.max_bytes,
            maxSeconds=service.limits.content.max_seconds,
        )

    @app.get("/healthz", operation_id="health", tags=["service"], responses=_problems())
    def health() -> documents.Health:
        """Whether the service answers and can read its ledger."""
        service.ledger.clips(1)
        return documents.Health(status="ok")


def _add_problems(app: FastAPI) -> None:
    codes = {
        UnsupportedAlgorithm: "unsupported_algorithm",
        BindingError: "invalid_binding",
        ManifestIdError: "invalid_manifest_id",
    }

    def of(request: Request, error: Exception) -> Response:
        problem = Problem("internal")
        if isinstance(error, Problem):
            problem = error
        elif isinstance(error, RequestValidationError):
            # The parameter's name as we declared it; its value is not repeated.
            problem = Problem("invalid_parameter", f"`{error.errors()[0]['loc'][-1]}`")
        elif isinstance(error, ResolutionError):
            problem = Problem(codes[type(error)], error.hint)
        elif isinstance(error, UnsupportedMedia):
            problem = Problem("unsupported_media")
        elif isinstance(error, LimitExceeded):
            problem = Problem("media_over_limits")
        elif isinstance(error, MediaError):
            problem = Problem("unreadable_media")
        elif isinstance(error, LedgerError):
            problem = Problem("unavailable", retry_after_s=30)
        elif isinstance(error, HTTPException):
            known = {404: "not_found", 405: "method_not_allowed"}
            headers = dict(error.headers or {})
            problem = Problem(known.get(error.status_code, "invalid_parameter"), headers=headers)
        return problem.response()

    for kind in (Problem, RequestValidationError, ResolutionError, MediaError, LedgerError, HTTPException):
        app.add_exception_handler(kind, of)

    def openapi(described: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """FastAPI's own, without its 422: a bad parameter is a 400 in the specification."""
        if app.openapi_schema is None:
            document = described()
            schemas = document["components"]["schemas"]
            for model in (documents.BindingQuery, documents.ProblemDocument):
                schemas[model.__name__] = model.model_json_schema()
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
            for path in document["paths"].values():
                for operation in path.values():
                    if "HTTPValidationError" in str(operation["responses"].get("422", "")):
                        del operation["responses"]["422"]
        return app.openapi_schema or {}

    app.openapi = partial(openapi, app.openapi)  # type: ignore[method-assign]
