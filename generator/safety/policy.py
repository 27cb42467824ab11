"""Load, check and compile a policy folder; name the result by a version that fixes every decision."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from generator.safety.concepts import Concept, ConceptFile
from generator.safety.errors import PolicyError
from generator.safety.head import load_head
from generator.safety.learned import LearnedLayers
from generator.safety.rules import (
    Code,
    CompiledExemption,
    CompiledNote,
    CompiledRule,
    FrameThresholds,
    PolicyFile,
    RuleFile,
)
from generator.safety.terms import TermIndex, tokenise
from generator.safety.vocabulary import Vocabulary

_TAXONOMY = "policy.yaml"
_CONCEPTS = "concepts.yaml"
_NEEDED_CODES = ("S0", "S1", "S2", "D1", "T1", "O1", "F1", "F2", "G1")
"""Codes that the checks themselves give, whatever the rules are."""
_SUFFIXES = (".yaml", ".txt", ".safetensors")
_MAX_FILE_BYTES = 16 * 2**20
_Model = TypeVar("_Model", bound=BaseModel)
# The C loader is part of most PyYAML wheels and ten times as fast; both build plain types only.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Policy:
    """A compiled policy: everything that a decision depends on. `sources` are the files it was made of."""

    version: str
    sources: Mapping[str, bytes] = field(repr=False)
    max_prompt_chars: int
    codes: Mapping[str, Code]
    frames: FrameThresholds
    rules: tuple[CompiledRule, ...]
    exemptions: tuple[CompiledExemption, ...]
    index: TermIndex
    harmless: int
    vocabulary: Vocabulary
    learned: LearnedLayers | None
    review_from: float | None
    doubt_below: float
    concepts: tuple[Concept, ...]
    notes: tuple[CompiledNote, ...] = ()


@cache
def shipped_policy() -> Policy:
    """The policy that ships with the package, loaded once."""
    return load_policy(shipped_sources())


def shipped_sources() -> dict[str, bytes]:
    """The files of the shipped policy, name -> content."""
    folder = files("generator.safety").joinpath("policy")
    return {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.name.endswith(_SUFFIXES)}


def shipped_cases() -> bytes:
    """The test cases that ship with the policy (`cases.py`)."""
    return files("generator.safety").joinpath("policy/cases.csv").read_bytes()


def read_policy_folder(folder: Path) -> dict[str, bytes]:
    """The policy files of `folder`, name -> content; raises PolicyError where they cannot be read."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.name.endswith(_SUFFIXES))
        large = next((path for path in paths if path.stat().st_size > _MAX_FILE_BYTES), None)
        if large is not None:
            raise PolicyError(f"{large} is larger than 16 MiB", hint="A policy holds words, not media.")
        return {path.name: path.read_bytes() for path in paths}
    except OSError as error:
        raise PolicyError(
            f"{folder}: {error.strerror or error}",
            hint="Name a folder that holds policy.yaml; `clipproof safety policy export` writes one.",
        ) from error


def policy_version() -> str:
    """Semantic version and digest of the shipped policy files, e.g. `1.0.0+0123456789ab`."""
    return shipped_policy().version


def parse_policy(
    sources: Mapping[str, bytes],
) -> tuple[PolicyFile, tuple[Concept, ...], dict[str, RuleFile]]:
    """The files as written: taxonomy, concepts, rule files by name. Raises PolicyError."""
    if _TAXONOMY not in sources:
        raise PolicyError(f"{_TAXONOMY} is missing", hint="A policy folder holds policy.yaml and rule files.")
    rule_files = {
        name: _parse(name, content, RuleFile)
        for name, content in sorted(sources.items())
        if name.endswith(".yaml") and name not in (_TAXONOMY, _CONCEPTS)
    }
    taxonomy = _parse(_TAXONOMY, sources[_TAXONOMY], PolicyFile)
    return taxonomy, _parse(_CONCEPTS, sources.get(_CONCEPTS, b""), ConceptFile).concepts, rule_files


def load_policy(sources: Mapping[str, bytes]) -> Policy:
    """Compile policy files, given as name -> content.

    `policy.yaml` holds the taxonomy, `concepts.yaml` the concept bank, every other `*.yaml` rules, and
    `*.safetensors` the head that `policy.yaml` names; other files count for the digest only.
    Raises PolicyError that names the file and, where it can, the rule.
    """
    taxonomy, concepts, rule_files = parse_policy(sources)
    missing = [code for code in _NEEDED_CODES if code not in taxonomy.codes]
    if missing:
        raise PolicyError(
            f"{_TAXONOMY}: the codes {', '.join(missing)} are missing",
            hint="Change their action instead of removing them.",
        )
    groups = _Groups(rule_files)
    rules = groups.compile(rule_files, taxonomy.codes)
    harmless = groups.number(
        tuple(phrase for file in rule_files.values() for phrase in file.harmless), "harmless"
    )
    exemptions = _exemptions(taxonomy, groups)
    notes = groups.compile_notes(rule_files)
    index = TermIndex(groups.terms)
    real_words = {word for file in rule_files.values() for word in file.real_words}
    return Policy(
        version=f"{taxonomy.version}+{_digest(sources)[:12]}",
        sources=dict(sources),
        max_prompt_chars=taxonomy.max_prompt_chars,
        codes=taxonomy.codes,
        frames=taxonomy.frames,
        rules=rules,
        exemptions=exemptions,
        index=index,
        harmless=harmless,
        vocabulary=Vocabulary(index.words, real_words=real_words),
        learned=_learned(taxonomy, concepts, sources),
        review_from=taxonomy.learned.review_from if taxonomy.learned else None,
        doubt_below=taxonomy.learned.doubt_below if taxonomy.learned else 0,
        concepts=concepts,
        notes=notes,
    )


def _exemptions(taxonomy: PolicyFile, groups: "_Groups") -> tuple[CompiledExemption, ...]:
    compiled = []
    for exemption in taxonomy.exceptions:
        where = f"{_TAXONOMY}: exception {exemption.id}"
        _require_codes(exemption.codes, taxonomy.codes, where)
        compiled.append(CompiledExemption(exemption, groups.number(exemption.any_of, where)))
    return tuple(compiled)


def _learned(
    taxonomy: PolicyFile, concepts: tuple[Concept, ...], sources: Mapping[str, bytes]
) -> LearnedLayers | None:
    """The learned layers; their parts fit each other and the taxonomy, or PolicyError."""
    written = taxonomy.learned
    ids = [concept.id for concept in concepts]
    for concept in concepts:
        _require_codes((concept.code,), taxonomy.codes, f"{_CONCEPTS}: {concept.id}")
        if ids.count(concept.id) > 1:
            raise PolicyError(f"{_CONCEPTS}: {concept.id} is there twice", hint="Concept ids are unique.")
    if written is None:
        if concepts:
            raise PolicyError(
                f"{_CONCEPTS} needs an encoder", hint=f"Name it under `learned` in {_TAXONOMY}."
            )
        return None
    head = None
    if written.head is not None:
        if written.head not in sources:
            raise PolicyError(f"{written.head} is missing", hint="Copy the head into the policy folder.")
        head = load_head(written.head, sources[written.head])
        if head.encoder_sha256 != written.encoder_sha256:
            raise PolicyError(
                f"{written.head} was trained for another encoder than {_TAXONOMY} pins",
                hint="Pin that encoder, or train the head again.",
            )
    for name, code in taxonomy.codes.items():
        has_thresholds = code.review_from is not None or code.block_from is not None
        if has_thresholds and (head is None or name not in head.codes):
            raise PolicyError(
                f"{_TAXONOMY}: code {name} has thresholds, and the head does not know it",
                hint="Remove review_from and block_from, or train a head with that code.",
            )
    return LearnedLayers(encoder_sha256=written.encoder_sha256, head=head, concepts=concepts)


def _require_codes(named: tuple[str, ...], codes: Mapping[str, Code], where: str) -> None:
    unknown = next((code for code in named if code not in codes), None)
    if unknown is not None:
        raise PolicyError(f"{where}: no code {unknown}", hint=f"Codes: {', '.join(codes)}.")


def _digest(sources: Mapping[str, bytes]) -> str:
    total = hashlib.sha256()
    for name, content in sorted(sources.items()):
        total.update(f"{name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()


def _parse(name: str, content: bytes, model: type[_Model]) -> _Model:
    try:
        written: Any = yaml.load(content, Loader=_LOADER)  # noqa: S506 - a safe loader, see _LOADER
    except (
        yaml.YAMLError,
        ValueError,
        RecursionError,
    ) as error:  # ValueError: no UTF-8, or an impossible date
        raise PolicyError(f"{name}: not YAML: {error}", hint="Check the indentation and quotes.") from error
    try:
        return model.model_validate(written if written is not None else {})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise PolicyError(
            f"{name}: {_rule_at(written, first['loc'])}{place}: {first['msg']}",
            hint="docs/safety.md describes the form of a policy file.",
        ) from error


def _rule_at(written: Any, place: tuple[int | str, ...]) -> str:
    if len(place) > 1 and place[0] in ("rules", "notes") and isinstance(place[1], int):
        rule = written[place[0]][place[1]]
        if isinstance(rule, dict) and "id" in rule:
            return f"{str(place[0])[:-1]} {rule['id']}: "
    return ""


class _Groups:
    """Gives every list of terms a number; equal lists share one."""

    def __init__(self, rule_files: Mapping[str, RuleFile]) -> None:
        self.terms: list[tuple[str, ...]] = []
        self._numbers: dict[tuple[str, ...], int] = {}
        self._named: dict[str, tuple[str, ...]] = {}
        for file_name, file in rule_files.items():
            for name, terms in file.lists.items():
                if name in self._named:
                    raise PolicyError(
                        f"{file_name}: list {name} is defined twice", hint="Rename one of them."
                    )
                self._named[name] = terms

    def number(self, terms: tuple[str, ...], where: str) -> int:
        flat = tuple(dict.fromkeys(self._flatten(terms, where, depth=0)))
        if flat not in self._numbers:
            self._numbers[flat] = len(self.terms)
            self.terms.append(flat)
        return self._numbers[flat]

    def _flatten(self, terms: tuple[str, ...], where: str, *, depth: int) -> list[str]:
        if depth > 8:
            raise PolicyError(f"{where}: lists refer to each other in a circle", hint="Break the circle.")
        flat: list[str] = []
        for term in terms:
            if not term.startswith("@"):
                if not tokenise(term):
                    raise PolicyError(f"{where}: {term!r} holds no word", hint="Terms are words.")
                flat.append(term.casefold())
                continue
            if term[1:] not in self._named:
                raise PolicyError(f"{where}: there is no list {term}", hint="Define it under `lists`.")
            flat += self._flatten(self._named[term[1:]], where, depth=depth + 1)
        return flat

    def compile(
        self, rule_files: Mapping[str, RuleFile], codes: Mapping[str, Code]
    ) -> tuple[CompiledRule, ...]:
        compiled: list[CompiledRule] = []
        seen: set[str] = set()
        for file_name, file in rule_files.items():
            for rule in file.rules:
                where = f"{file_name}: rule {rule.id}"
                if rule.id in seen:
                    raise PolicyError(f"{where}: the id is used twice", hint="Rule ids are unique.")
                _require_codes((rule.code,), codes, where)
                seen.add(rule.id)
                compiled.append(
                    CompiledRule(
                        rule=rule,
                        needs=tuple(self.number(terms, where) for terms in rule.all_of or (rule.any_of,)),
                        unless=self.number(rule.unless, where) if rule.unless else None,
                        soften=self.number(rule.soften, where) if rule.soften else None,
                    )
                )
        return tuple(compiled)

    def compile_notes(self, rule_files: Mapping[str, RuleFile]) -> tuple[CompiledNote, ...]:
        compiled: dict[str, CompiledNote] = {}
        for file_name, file in rule_files.items():
            for note in file.notes:
                where = f"{file_name}: note {note.id}"
                if note.id in compiled:
                    raise PolicyError(f"{where}: the id is used twice", hint="Note ids are unique.")
                compiled[note.id] = CompiledNote(
                    note=note,
                    needs=tuple(self.number(terms, where) for terms in note.all_of or (note.any_of,)),
                    unless=self.number(note.unless, where) if note.unless else None,
                )
        return tuple(compiled.values())
