"""`clipproof safety policy`: read, test, compare and copy prompt policies."""

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from clipproof.cli.output import Json, emit, out, say

if TYPE_CHECKING:
    from generator.safety import Policy

app = typer.Typer(help="Read, test, compare and copy prompt policies.", no_args_is_help=True)

Named = Annotated[
    str | None, typer.Argument(help="A policy folder, `shipped`, or a version that was in force here.")
]


def named(name: str | None) -> "Policy":
    """The policy in force, or the one that `name` means."""
    from flows.policies import kept_policy, policy_in_force
    from flows.settings import load_settings
    from generator.safety import load_policy, read_policy_folder
    from generator.safety.policy import shipped_policy

    if name is None:
        return policy_in_force(load_settings())
    if name == "shipped":
        return shipped_policy()
    if Path(name).is_dir():
        return load_policy(read_policy_folder(Path(name)))
    return kept_policy(load_settings(), name)


@app.command("show")
def show(
    policy: Named = None,
    code: Annotated[str | None, typer.Option(help="One reason code, with its rules and concepts.")] = None,
    as_json: Json = False,
) -> None:
    """The taxonomy: each code's action, the head's thresholds, and how many rules and concepts it has."""
    chosen = named(policy)
    if code is not None and code not in chosen.codes:
        raise typer.BadParameter(f"no code {code}; codes: {', '.join(chosen.codes)}")
    rows = [_row(chosen, name) for name in chosen.codes if code in (None, name)]
    data: dict[str, Any] = {
        "schema": "clipproof.policy/1",
        "version": chosen.version,
        "codes": rows,
        "exceptions": [one.exemption.model_dump(exclude={"any_of"}) for one in chosen.exemptions],
    }
    if code is not None:
        data["rules"] = [
            one.rule.model_dump(mode="json", exclude_defaults=True)
            for one in chosen.rules
            if one.rule.code == code
        ]
        data["concepts"] = [one.model_dump(mode="json") for one in chosen.concepts if one.code == code]

    def text() -> None:
        table = Table(box=None, header_style="dim", title=f"policy {chosen.version}", title_justify="left")
        for column in ("code", "title", "action", "head: review", "block", "rules", "concepts", "exceptions"):
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(escape("" if value is None else str(value)) for value in row.values()))
        out.print(table)
        if code is not None:
            out.print(f"  {escape(chosen.codes[code].explain)} {escape(chosen.codes[code].change)}")
            for rule in data["rules"]:
                out.print(f"  [dim]rule[/] {rule['id']}  {escape(_terms(rule))}")
            for concept in data["concepts"]:
                out.print(
                    f"  [dim]concept[/] {concept['id']}  {escape('; '.join(concept['examples'])[:160])}"
                )

    emit(data, as_json=as_json, text=text)


@app.command("check")
def check(
    policy: Named = None,
    cases: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="CSV with text,action,codes; default: cases.csv of the folder."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Validate a policy and run its test cases; exits with 1 if one is answered otherwise."""
    from generator.safety.cases import CASES, failures, read_cases

    chosen = named(policy)
    path = cases or (Path(policy) / CASES if policy and Path(policy).is_dir() else None)
    if path is not None and path.is_file():
        content = path.read_bytes()
    else:
        from generator.safety.policy import shipped_cases

        content = shipped_cases()
    listed = read_cases(content)
    failed = failures(listed, chosen)
    rows: list[dict[str, Any]] = [
        {
            "line": one.case.line,
            "text": one.case.text,
            "expected": {"action": one.case.action.value, "codes": list(one.case.codes)},
            "got": {"action": one.decision.action.value, "codes": list(one.decision.codes)},
            "matches": [match.rule_id for match in one.decision.matches],
        }
        for one in failed
    ]

    def text() -> None:
        out.print(
            f"policy {chosen.version}: {len(chosen.codes)} codes, {len(chosen.rules)} rules, "
            f"{len(chosen.concepts)} concepts; {len(listed) - len(failed)} of {len(listed)} cases hold"
        )
        for row in rows:
            expected, got = row["expected"], row["got"]
            out.print(
                f"[red]row {row['line']}[/] {escape(row['text'][:80])}\n"
                f"  expected {expected['action']} {' '.join(expected['codes'])}, "
                f"got {got['action']} {' '.join(got['codes'])} [dim]{' '.join(row['matches'])}[/]"
            )

    data = {
        "schema": "clipproof.policy-check/1",
        "version": chosen.version,
        "cases": len(listed),
        "failures": rows,
    }
    emit(data, as_json=as_json, text=text)
    if failed:
        raise typer.Exit(1)


@app.command("diff")
def diff(
    old: Annotated[str, typer.Argument(help="A policy folder, `shipped`, or a version.")],
    new: Annotated[str, typer.Argument(help="Another one.")],
    prompts: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="CSV with a column `text`: list the prompts whose decision changes.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """What changed between two policies, in their files and in what they decide."""
    from generator.safety.comparison import changes, drift

    before, after = named(old), named(new)
    found = changes(before, after)
    texts = _texts(prompts) if prompts else []
    moved = drift(texts, before, after)
    data = {
        "schema": "clipproof.policy-diff/1",
        "old": before.version,
        "new": after.version,
        "changes": [{"part": one.part, "old": one.old, "new": one.new} for one in found],
        "prompts": len(texts),
        "drift": [
            {
                "text": one.text,
                "old": {"action": one.old.action.value, "codes": list(one.old.codes)},
                "new": {"action": one.new.action.value, "codes": list(one.new.codes)},
            }
            for one in moved
        ],
    }

    def text() -> None:
        out.print(f"{before.version} → {after.version}: {len(found)} parts differ")
        for one in found:
            out.print(f"[bold]{escape(one.part)}[/]")
            for sign, colour, value in (("-", "red", one.old), ("+", "green", one.new)):
                if value not in (None, ()):
                    out.print(f"  [{colour}]{sign} {escape(_shown(value))}[/]")
        if prompts:
            out.print(f"{len(moved)} of {len(texts)} prompts are decided otherwise")
            for was in moved:
                out.print(
                    f"  {was.old.action} → {was.new.action}  {escape(was.text[:90])}"
                    f" [dim]{' '.join(was.old.codes)} → {' '.join(was.new.codes)}[/]"
                )

    emit(data, as_json=as_json, text=text)


@app.command("export")
def export(
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
    policy: Annotated[str | None, typer.Option(help="A policy folder, `shipped`, or a version.")] = None,
) -> None:
    """Copy a policy to a folder of your own, to edit; `CLIPPROOF_POLICY=FOLDER` puts it in force."""
    from generator.safety.cases import CASES
    from generator.safety.policy import shipped_cases
    from media.errors import OutputError

    chosen = named(policy)
    try:
        folder.mkdir(parents=True)
        for name, content in {**chosen.sources, CASES: shipped_cases()}.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise OutputError(f"{folder}: {error.strerror}; name a folder that is not there yet") from error
    say(f"policy {chosen.version}; edit it, then: clipproof safety policy check {folder}")
    out.print(escape(str(folder)))


def _row(policy: "Policy", name: str) -> dict[str, Any]:
    code = policy.codes[name]
    return {
        "code": name,
        "title": code.title,
        "action": code.action.value,
        "review_from": code.review_from,
        "block_from": code.block_from,
        "rules": sum(one.rule.code == name for one in policy.rules),
        "concepts": sum(one.code == name for one in policy.concepts),
        "exceptions": " ".join(one.exemption.id for one in policy.exemptions if name in one.exemption.codes),
    }


def _terms(rule: dict[str, Any]) -> str:
    lists = rule.get("all_of") or [rule.get("any_of", ())]
    return " + ".join("/".join(terms[:3]) + ("/…" if len(terms) > 3 else "") for terms in lists)


def _shown(value: Any) -> str:
    shown = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return shown if len(shown) <= 300 else f"{shown[:300]}…"


def _texts(path: Path) -> list[str]:
    csv.field_size_limit(min(sys.maxsize, 2**24))
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            if "text" in (reader.fieldnames or ()):
                return [row["text"] for row in reader if row["text"]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise typer.BadParameter(f"{path}: no CSV in UTF-8: {error}") from error
    raise typer.BadParameter(f"{path}: no CSV with a column `text`")
