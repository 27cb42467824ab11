"""The tests that a policy folder brings along: prompts, and what the policy must say of them.

`cases.csv` has the columns text, action, codes (apart by spaces; may be empty), note. It decides nothing, so it does
not count for the policy's version.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from generator.safety.decision import Action, Decision
from generator.safety.errors import PolicyError
from generator.safety.policy import Policy
from generator.safety.prompt import check_prompt

CASES = "cases.csv"
_COLUMNS = ("text", "action", "codes")


@dataclass(frozen=True, slots=True)
class Case:
    """A prompt with the action that is expected, and codes that must be among the decision's."""

    text: str
    action: Action
    codes: tuple[str, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A case that the policy answers otherwise."""

    case: Case
    decision: Decision


def read_cases(content: bytes) -> list[Case]:
    """The cases of a CSV file; raises PolicyError that names the line."""
    try:
        reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        columns = set(reader.fieldnames or ())
        rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise PolicyError(f"{CASES}: not CSV in UTF-8: {error}", hint="Save it as UTF-8.") from error
    if not set(_COLUMNS) <= columns:
        raise PolicyError(f"{CASES}: needs the columns {', '.join(_COLUMNS)}", hint="Add the header line.")
    cases = []
    for line, row in enumerate(rows, start=2):
        try:
            action = Action((row["action"] or "").strip())
        except ValueError as error:
            known = ", ".join(Action)
            raise PolicyError(
                f"{CASES}, row {line}: no action {row['action']!r}", hint=f"Actions: {known}."
            ) from error
        cases.append(Case(row["text"] or "", action, tuple((row["codes"] or "").split()), line))
    return cases


def failures(cases: Sequence[Case], policy: Policy) -> list[Failure]:
    """The cases that `policy` answers with another action, or without an expected code."""
    found = []
    for case in cases:
        decision = check_prompt(case.text, policy=policy)
        if decision.action is not case.action or not set(case.codes) <= set(decision.codes):
            found.append(Failure(case, decision))
    return found
