"""What changed between two policies: in their files, and in what they decide."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from generator.safety.decision import Decision
from generator.safety.policy import Policy, parse_policy
from generator.safety.prompt import check_prompt


@dataclass(frozen=True, slots=True)
class Change:
    """One part of a policy, `old` or `new` None where it is not there; terms of lists are compared as sets."""

    part: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class Drift:
    """A prompt that the two policies answer differently."""

    text: str
    old: Decision
    new: Decision


def changes(old: Policy, new: Policy) -> list[Change]:
    """The parts in which the two differ, by name; of a list of terms only those that came or went."""
    before, after = _parts(old.sources), _parts(new.sources)
    found = []
    for part in sorted(before.keys() | after.keys()):
        was, now = before.get(part), after.get(part)
        if was == now:
            continue
        if isinstance(was, tuple) and isinstance(now, tuple):
            gone = tuple(term for term in was if term not in now)
            come = tuple(term for term in now if term not in was)
            found.append(Change(part, gone, come))
        else:
            found.append(Change(part, was, now))
    return found


def drift(texts: Iterable[str], old: Policy, new: Policy) -> list[Drift]:
    """The texts whose action or codes differ."""
    found = []
    for text in texts:
        before, after = check_prompt(text, policy=old), check_prompt(text, policy=new)
        if (before.action, set(before.codes)) != (after.action, set(after.codes)):
            found.append(Drift(text, before, after))
    return found


def _parts(sources: Mapping[str, bytes]) -> dict[str, Any]:
    """A policy as dotted names with plain values."""
    taxonomy, concepts, rule_files = parse_policy(sources)
    parts: dict[str, Any] = {"version": taxonomy.version, "max_prompt_chars": taxonomy.max_prompt_chars}
    parts |= _flat("frames", taxonomy.frames.model_dump())
    parts |= _flat("learned", taxonomy.learned.model_dump() if taxonomy.learned else {})
    for name, code in taxonomy.codes.items():
        parts |= _flat(f"code {name}", code.model_dump(mode="json"))
    for exemption in taxonomy.exceptions:
        parts |= _flat(f"exception {exemption.id}", exemption.model_dump(exclude={"id"}))
    for concept in concepts:
        parts |= _flat(
            concept.id,
            concept.model_dump(mode="json", exclude={"id"})
            | {"examples": concept.examples, "counterexamples": concept.counterexamples},
        )
    for file in rule_files.values():
        parts |= {f"list {name}": terms for name, terms in file.lists.items()}
        for rule in file.rules:
            parts |= _flat(f"rule {rule.id}", rule.model_dump(exclude={"id"}, exclude_defaults=True))
    for name in ("harmless", "real_words"):
        parts[name] = tuple(term for file in rule_files.values() for term in getattr(file, name))
    for name, content in sources.items():
        if not name.endswith(".yaml"):
            parts[f"file {name}"] = hashlib.sha256(content).hexdigest()[:12]
    return parts


def _flat(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{prefix}: {name}": value for name, value in values.items()}
