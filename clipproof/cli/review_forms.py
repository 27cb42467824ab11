"""How reviews look: as JSON, as lines for a terminal, as rows of a table for a spreadsheet."""

import csv
import io
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from clipproof.cli.output import out

if TYPE_CHECKING:
    from provenance.ledger import Review, ReviewEvent

_NO_TEXT = "(only its salted hash is kept)"
_CSV_COLUMNS = (
    "review clip_id status codes language policy_version asked requester "
    "event at by by_software code note event_policy_version log_seq pinned prompt"
).split()


def row(review: "Review", *, state: str, needed: int) -> dict[str, Any]:
    """One review as JSON types."""
    from provenance.ledger import clip_id_hex

    return {
        "id": review.id,
        "run_key": review.run_key,
        "clip_id": clip_id_hex(review.clip_id),
        "status": review.status,
        "state": state,
        "codes": list(review.codes),
        "language": review.language,
        "policy_version": review.policy_version,
        "overridable": review.overridable,
        "prompt": review.prompt_text,
        "prompt_salted_sha256": review.prompt_sha256.hex() if review.prompt_sha256 else None,
        "requester": review.requester,
        "reviewer": review.reviewer,
        "reason": review.reason,
        "approvals": review.approvals,
        "approvals_needed": needed,
        "produced": review.produced,
        "created": review.created.isoformat(),
        "waiting_since": review.waiting_since.isoformat(),
        "decided": review.decided.isoformat() if review.decided else None,
    }


def event_row(event: "ReviewEvent") -> dict[str, Any]:
    """One event of a review's history as JSON types."""
    return {
        "kind": event.kind,
        "at": event.at.isoformat(),
        "by": event.by,
        "by_software": event.by_software,
        "code": event.code,
        "note": event.note,
        "policy_version": event.policy_version,
        "log_seq": event.log_seq,
        "pinned": event.pinned,
    }


def visible(text: object) -> str:
    """Text for a terminal: what a terminal would obey or hide (escapes, direction overrides) is spelled out."""
    return "".join(
        f"\\u{ord(char):04x}" if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn") else char
        for char in str(text)
    )


def visible_lines(text: str) -> str:
    """The same for a text of several lines."""
    return "\n".join(map(visible, text.split("\n")))


def print_list(rows: Sequence[dict[str, Any]]) -> None:
    """A table of reviews."""
    table = Table(box=None, header_style="dim")
    for name in ("review", "state", "codes", "lang", "since", "prompt", "decided by", "reason"):
        table.add_column(name, overflow="fold")
    for one in rows:
        cells = (
            *(one["id"], one["state"], " ".join(one["codes"]), one["language"]),
            *(_minute(one["waiting_since"]), one["prompt"] or _NO_TEXT, one["reviewer"], one["reason"]),
        )
        table.add_row(*(escape(visible(cell or "")) for cell in cells))
    out.print(table if rows else "nothing waits")


def print_review(one: dict[str, Any]) -> None:
    """One review with what the policy found and everything that happened."""

    def line(name: str, told: object) -> None:
        out.print(f"[dim]{name:<12}[/] {escape(visible(told))}")

    out.print(f"[bold]review {one['id']}[/]  {escape(one['state'])}")
    line("prompt", one["prompt"] or f"{_NO_TEXT} {one['prompt_salted_sha256'] or ''}")
    line("codes", f"{' '.join(one['codes'])}  (policy {one['policy_version']}, language {one['language']})")
    for match in one["matches"]:
        line(
            "", f"{match.get('code')} {match.get('rule')} ({match.get('span') or '–'}): {match.get('action')}"
        )
        line("", f"  {match.get('explanation', '')} {match.get('change', '')}")
    line("asked", f"{_minute(one['created'])} by {one['requester'] or 'somebody'}")
    line("run", f"{one['run_key']}, clip {one['clip_id']}{'' if one['produced'] else ' (not produced)'}")
    for event in one["history"]:
        code = f" as {event['code']}" if event["code"] else ""
        changed = "  (not what the log has)" if event["pinned"] is False else ""
        line(_minute(event["at"]), f"{event['kind']} by {event['by']}{code}: {event['note'] or '–'}{changed}")


def print_suggestions(found: Sequence[dict[str, Any]]) -> None:
    """YAML that can be pasted, with what it is and where it comes from as its comments."""
    for one in found:
        reviews = ", ".join(map(str, one["reviews"]))
        out.print(f"# {one['kind']} for {one['code']}, from reviews {reviews}: {escape(one['file'])}")
        out.print(f"# {escape(one['note'])}")
        if one["trial"]:
            does = "lets pass" if one["kind"] == "harmless" else "speaks on"
            told = {
                name: f"{one['trial'][name]} of {one['trial'][f'of_{name}']}"
                for name in ("rejected", "approved")
            }
            out.print(f"# tried: {does} {told['rejected']} rejected and {told['approved']} approved prompts")
        out.print(escape(visible_lines(one["text"])))
    if not found:
        out.print("# nothing to suggest")


def table_text(reviews: Iterable[dict[str, Any]]) -> str:
    """CSV: one row an event, and one for a review that has none yet."""
    file = io.StringIO()
    writer = csv.DictWriter(file, _CSV_COLUMNS)  # its line ends, CR LF, are what makes it quote a lone CR too
    writer.writeheader()
    for one in reviews:
        about = {
            "review": one["id"],
            "codes": " ".join(one["codes"]),
            "asked": one["created"],
            **{name: one[name] for name in ("clip_id", "status", "language", "policy_version", "requester")},
            "prompt": one.get("prompt"),
        }
        for event in one["history"] or [{}]:
            kept = {name: value for name, value in event.items() if name not in ("kind", "policy_version")}
            told = about | kept
            told |= {"event": event.get("kind"), "event_policy_version": event.get("policy_version")}
            writer.writerow({name: _cell(value) for name, value in told.items()})
    return file.getvalue()


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")


def _cell(value: object) -> object:
    """A spreadsheet runs text that begins like a formula, and a prompt is a stranger's text."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + value
    return value
