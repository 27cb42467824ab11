"""Load, check and compile the policy files; name the result by a version that fixes every decision."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from generator.safety.errors import PolicyError
from generator.safety.rules import Code, CompiledRule, FrameThresholds, PolicyFile, RuleFile
from generator.safety.terms import TermIndex
from generator.safety.vocabulary import Vocabulary

_TAXONOMY = "policy.yaml"
_Model = TypeVar("_Model", bound=BaseModel)
# The C loader is part of most PyYAML wheels and ten times as fast; both build plain types only.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Policy:
    """A compiled policy: everything that a decision depends on."""

    version: str
    max_prompt_chars: int
    codes: Mapping[str, Code]
    frames: FrameThresholds
    rules: tuple[CompiledRule, ...]
    index: TermIndex
    harmless: int
    vocabulary: Vocabulary


@cache
def shipped_policy() -> Policy:
    """The policy that ships with the package, loaded once."""
    folder = files("generator.safety").joinpath("policy")
    return load_policy(
        {
            entry.name: entry.read_bytes()
            for entry in folder.iterdir()
            if entry.name.endswith((".yaml", ".txt"))
        }
    )


def policy_version() -> str:
    """Semantic version and digest of the shipped policy files, e.g. `1.0.0+0123456789ab`."""
    return shipped_policy().version


def load_policy(sources: Mapping[str, bytes]) -> Policy:
    """Compile policy files, given as name -> content.

    `policy.yaml` holds the taxonomy, every other `*.yaml` holds rules; other files count for the digest only.
    Raises PolicyError that names the file and, where it can, the rule.
    """
    if _TAXONOMY not in sources:
        raise PolicyError(f"{_TAXONOMY} is missing", hint="A policy folder holds policy.yaml and rule files.")
    taxonomy = _parse(_TAXONOMY, sources[_TAXONOMY], PolicyFile)
    rule_files = {
        name: _parse(name, content, RuleFile)
        for name, content in sorted(sources.items())
        if name.endswith(".yaml") and name != _TAXONOMY
    }
    groups = _Groups(rule_files)
    rules = groups.compile(rule_files, taxonomy.codes)
    harmless = groups.number(
        tuple(phrase for file in rule_files.values() for phrase in file.harmless), "harmless"
    )
    index = TermIndex(groups.terms)
    real_words = {word for file in rule_files.values() for word in file.real_words}
    return Policy(
        version=f"{taxonomy.version}+{_digest(sources)[:12]}",
        max_prompt_chars=taxonomy.max_prompt_chars,
        codes=taxonomy.codes,
        frames=taxonomy.frames,
        rules=rules,
        index=index,
        harmless=harmless,
        vocabulary=Vocabulary(index.words, real_words=real_words),
    )


def _digest(sources: Mapping[str, bytes]) -> str:
    total = hashlib.sha256()
    for name, content in sorted(sources.items()):
        total.update(f"{name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()


def _parse(name: str, content: bytes, model: type[_Model]) -> _Model:
    try:
        written: Any = yaml.load(content, Loader=_LOADER)  # noqa: S506 - a safe loader, see _LOADER
    except (yaml.YAMLError, UnicodeDecodeError) as error:
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
    if len(place) > 1 and place[0] == "rules" and isinstance(place[1], int):
        rule = written["rules"][place[1]]
        if isinstance(rule, dict) and "id" in rule:
            return f"rule {rule['id']}: "
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
                if rule.code not in codes:
                    raise PolicyError(f"{where}: no code {rule.code}", hint=f"Codes: {', '.join(codes)}.")
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
