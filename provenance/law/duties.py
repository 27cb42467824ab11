"""The duties of a law as data: `texts/*.yaml`, checked when they are loaded."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from typing import Any, Final, Literal

import yaml

from provenance.errors import LawError

LawCode = Literal["eu", "ca", "cn"]
Confidence = Literal["high", "medium", "low"]

_CONFIDENCES: Final = ("high", "medium", "low")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a duty is written; `where` says how to find it."""

    id: str
    title: str
    date: str
    where: str


@dataclass(frozen=True, slots=True)
class Duty:
    """One thing that a law asks, in few words of our own; `check` names how a clip is looked at for it."""

    id: str
    source: str
    clause: str
    confidence: Confidence  # how sure we are of the wording and the clause
    check: str
    requires: str
    todo: str


@dataclass(frozen=True, slots=True)
class Law:
    """`known_on`: the day on which the duties were last compared with their sources."""

    code: str
    title: str
    known_on: str
    sources: tuple[Source, ...]
    duties: tuple[Duty, ...]

    def source_of(self, duty: Duty) -> Source:
        return next(one for one in self.sources if one.id == duty.source)


def load_law(code: LawCode) -> Law:
    """A law that ships with the program. Raises `LawError` where its file is damaged."""
    return parse_law(code, files(__package__).joinpath("texts", f"{code}.yaml").read_text(encoding="utf-8"))


def parse_law(code: str, text: str) -> Law:
    """A law from YAML, fully checked. Raises `LawError`."""
    from provenance.law.checks import CHECKS

    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _damaged(code, str(error).splitlines()[0]) from None
    if not isinstance(content, dict) or content.keys() != {"title", "known_on", "sources", "duties"}:
        raise _damaged(code, "it must have title, known_on, sources and duties")
    sources = tuple(Source(**_texts(code, Source, one)) for one in _list(code, content["sources"]))
    duties = tuple(Duty(**_texts(code, Duty, one)) for one in _list(code, content["duties"]))
    known = {one.id for one in sources}
    for duty in duties:
        if duty.source not in known:
            raise _damaged(code, f"{duty.id}: no source {duty.source!r}")
        if duty.check not in CHECKS:
            raise _damaged(code, f"{duty.id}: no check {duty.check!r}")
        if duty.confidence not in _CONFIDENCES:
            raise _damaged(code, f"{duty.id}: confidence {duty.confidence!r}")
    if len({duty.id for duty in duties}) != len(duties) or len(known) != len(sources):
        raise _damaged(code, "an id is used twice")
    return Law(code, str(content["title"]), str(content["known_on"]), sources, duties)


def _list(code: str, value: object) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise _damaged(code, "sources and duties are lists")
    return value


def _texts(code: str, kind: type[Source] | type[Duty], value: object) -> Mapping[str, Any]:
    names = {one.name for one in fields(kind)}
    if not isinstance(value, dict) or value.keys() != names:
        raise _damaged(code, f"a {kind.__name__.lower()} has exactly {', '.join(sorted(names))}")
    texts = {name: str(one) for name, one in value.items()}
    if not all(texts.values()):
        raise _damaged(code, f"a {kind.__name__.lower()} has an empty field")
    return texts


def _damaged(code: str, why: str) -> LawError:
    return LawError(f"the duties of {code!r} do not load: {why}", hint="Install Clipproof again.")
