"""The JSON documents of the API. Names in camel case are the specification's; ours are under `org.clipproof.match`."""

import datetime as dt
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from provenance import resolve


class BindingQuery(BaseModel):
    """c2pa.softBindingQuery"""

    model_config = ConfigDict(strict=True)

    alg: Annotated[str, Field(max_length=200, description="Name of the soft binding algorithm.")]
    value: Annotated[str, Field(max_length=4096, description="Base64 of the soft binding's value.")]


class Span(BaseModel):
    """A part of the query, in seconds from its first frame."""

    start: float
    end: float


class Origin(BaseModel):
    """System provenance data of the matched clip: what made it and when, never who."""

    clipId: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]  # noqa: N815
    source: Literal["ai", "camera", "composite", "unknown"]
    digitalSourceType: str | None = None  # noqa: N815
    recorded: dt.datetime
    system: str | None = None
    model: str | None = None
    modelVersion: str | None = None  # noqa: N815


class MatchDetail(BaseModel):
    """How the match was found. `mark` and `fingerprint` speak of pictures alone, not of the sound."""

    foundBy: resolve.FoundBy  # noqa: N815
    spans: list[Span]
    origin: Origin


class Match(BaseModel):
    """A manifest that the query leads to."""

    manifestId: Annotated[str, Field(description="Give it to /manifests/{manifestId}.")]  # noqa: N815
    similarityScore: Annotated[int, Field(ge=0, le=100)]  # noqa: N815
    detail: Annotated[MatchDetail, Field(alias="org.clipproof.match")]

    @classmethod
    def of(cls, match: resolve.Match) -> Self:
        origin = Origin(
            clipId=match.origin.clip_id,
            source=match.origin.source,  # type: ignore[arg-type]
            digitalSourceType=match.origin.digital_source_type,
            recorded=match.origin.recorded,
            system=match.origin.system,
            model=match.origin.model,
            modelVersion=match.origin.model_version,
        )
        spans = [Span(start=round(start, 3), end=round(end, 3)) for start, end in match.spans]
        detail = MatchDetail(foundBy=match.found_by, spans=spans, origin=origin)
        return cls.model_validate(
            {
                "manifestId": match.manifest_id,
                "similarityScore": match.score,
                "org.clipproof.match": detail,
            }
        )


class QueryResult(BaseModel):
    """c2pa.softBindingQueryResult; empty where nothing is known."""

    matches: list[Match]


class Algorithm(BaseModel):
    alg: str


class AlgorithmList(BaseModel):
    """c2pa.softBindingAlgList"""

    watermarks: list[Algorithm]
    fingerprints: list[Algorithm]


class Service(BaseModel):
    """What this service is, for software that finds it by its host name."""

    specification: str
    provider: str
    watermarks: list[Algorithm]
    registeredAlgorithms: bool  # noqa: N815
    notOffered: list[str]  # noqa: N815
    maxUploadBytes: int  # noqa: N815
    maxSeconds: float  # noqa: N815


class Health(BaseModel):
    status: Literal["ok"]


class ProblemDocument(BaseModel):
    """RFC 9457. `code` is stable; the words are for people."""

    type: str
    title: str
    status: int
    code: str
    detail: str | None = None
