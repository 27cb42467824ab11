"""Errors as RFC 9457 problem documents with stable codes. They tell nothing of files, paths or internals."""

from dataclasses import dataclass, field
from typing import Any, Final

from starlette.responses import JSONResponse

# code -> (status, title). The codes are part of the interface: docs/api.md lists them.
PROBLEMS: Final[dict[str, tuple[int, str]]] = {
    "invalid_parameter": (400, "A parameter is missing or not well formed."),
    "invalid_body": (400, "The body is not the JSON document that is asked for."),
    "invalid_binding": (400, "The value is not one of this soft binding algorithm."),
    "unsupported_algorithm": (400, "This soft binding algorithm is not resolved here."),
    "invalid_manifest_id": (400, "This is not the identifier of a C2PA manifest."),
    "unknown_host": (400, "This server does not answer under that host name."),
    "not_found": (404, "There is nothing here."),
    "manifest_not_found": (404, "No manifest of this identifier is kept here."),
    "method_not_allowed": (405, "This method is not offered here."),
    "upload_timeout": (408, "The body did not arrive in time."),
    "too_large": (413, "The body is larger than is accepted."),
    "query_too_long": (414, "The query is too long; use POST."),
    "unsupported_media": (415, "The body is not a video that is opened here."),
    "unreadable_media": (422, "The video cannot be decoded."),
    "media_over_limits": (422, "The video is too long, too large or too costly to decode."),
    "rate_limited": (429, "Too many requests from this address."),
    "internal": (500, "The service failed."),
    "by_reference_refused": (
        501,
        "Files are not fetched from addresses; send the file to /matches/byContent.",
    ),
    "busy": (503, "Too many files are being examined; try again."),
    "unavailable": (503, "The ledger cannot be read at the moment."),
    "answer_timeout": (503, "The file took too long to examine."),
}


@dataclass
class Problem(Exception):
    """One of `PROBLEMS`; `detail` must be our own words, never an error's text that quotes the input."""

    code: str
    detail: str = ""
    retry_after_s: int | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> JSONResponse:
        status, title = PROBLEMS[self.code]
        body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "code": self.code}
        if self.detail:
            body["detail"] = self.detail
        headers = dict(self.headers)
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(self.retry_after_s)
        return JSONResponse(body, status, headers, media_type="application/problem+json")
