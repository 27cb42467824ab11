"""The report of an audit: files for programs, and a page that strangers' names cannot take over."""

import base64
import csv
import datetime
import hashlib
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from audit_rows import failed, judged, segment, still

from detector import load_head
from flows.reporting import NotAReport, Row, card_of, drift_report, read_rows, write_report, write_rows
from flows.reporting.parquet import PARQUET_SCHEMA
from media import OutputError

HOSTILE = [
    "</script><img src=x onerror=alert(1)>.mp4",
    "</style><svg onload=alert(1)>.mp4",
    '" autofocus onfocus="alert(1)" x=".mp4',
    "two\nlines.mp4",
    "invoice\u202egpj.4pm",
    '=HYPERLINK("http://evil.example").mp4',
    "{{ 7 * 7 }}{% raw %}.mp4",
    "not-utf8-\udcff.mp4",
    "javascript:alert(1)",
]
VOID = {"meta", "img", "input", "br", "hr", "link"}


class _Page(HTMLParser):
    """Elements with their attributes; raises where a tag closes what is not open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, text: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(text)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    def rows(self) -> int:
        return sum(tag == "tr" and "data-v" in attributes for tag, attributes in self.elements)


@pytest.fixture(scope="module")
def card() -> dict[str, Any]:
    return card_of(load_head())


def page_of(folder: Path, rows: list[Row], card: dict[str, Any], before: list[Row] | None = None) -> str:
    written = write_report(folder, rows, head_card=card, before=before)
    assert sorted(path.name for path in written) == [
        "report.csv",
        "report.html",
        "report.json",
        "report.parquet",
    ]
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in written)
    return (folder / "report.html").read_text(encoding="utf-8")


def hostile_rows() -> list[Row]:
    given = {'<img src=x onerror="alert(1)">': "<b>bold</b>", "=cmd": "+1", "note": "</details></table>"}
    conflict = "<script>alert(1)</script>"
    rows = [judged(f"in/{name}", 0.9, given=given, conflict=conflict, stills=[still()]) for name in HOSTILE]
    rows += [failed(name, f"{name}: <script>alert(1)</script> is not a video") for name in HOSTILE]
    rows[0]["evidence"].append({"kind": "<i>", "text": "<img src=x onerror=alert(1)>"})
    rows[1] |= {"signer": "<script>alert(1)</script>", "provenance": 'x" onmouseover="alert(1)'}
    rows[2]["segments"] = [segment(0.0, 0.5, '"><script>alert(1)</script>')]
    rows[3]["stills"] = ['/9j/" onerror="alert(1)', "https://evil.example/x.jpg"]
    rows[4]["duplicate_of"] = HOSTILE[0]
    return rows


def test_names_and_columns_of_strangers_add_nothing_to_the_page(tmp_path: Path, card: dict[str, Any]) -> None:
    page = _Page(page_of(tmp_path / "report", hostile_rows(), card))
    assert page.rows() == 2 * len(HOSTILE)
    tags = [tag for tag, _ in page.elements]
    assert tags.count("script") == tags.count("style") == 1
    assert not {"iframe", "object", "embed", "form", "base", "link", "i"} & set(tags)
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], (
            tag,
            attributes,
        )
        assert attributes.get("href", "#").startswith("#")
        assert tag != "img" or attributes["src"].startswith("data:image/jpeg;base64,/9j/")
    assert len([tag for tag in tags if tag == "img"]) == len(HOSTILE) - 1
    assert "</script><img src=x onerror=alert(1)>.mp4" in page.text
    assert "{{ 7 * 7 }}" in page.text


def test_hidden_characters_of_names_are_spelled_out(tmp_path: Path, card: dict[str, Any]) -> None:
    page = _Page(page_of(tmp_path / "report", [*hostile_rows(), judged("视频/烟花 👩‍🚀.mp4")], card))
    assert "\u202e" not in page.text
    assert r"invoice\u202egpj.4pm" in page.text
    assert r"two\nlines.mp4" in page.text
    assert r"not-utf8-\udcff.mp4" in page.text
    assert "烟花 👩‍🚀.mp4" in page.text


def test_a_column_of_the_manifest_cannot_pose_as_a_finding(tmp_path: Path, card: dict[str, Any]) -> None:
    row = judged("a.mp4", given={"signer": "ACME Studios"})
    assert "given: signerACME Studios" in _Page(page_of(tmp_path / "report", [row], card)).text


def test_the_policy_allows_exactly_the_style_and_script_of_the_page(
    tmp_path: Path, card: dict[str, Any]
) -> None:
    text = page_of(tmp_path / "report", hostile_rows(), card)
    (policy,) = (
        attributes["content"]
        for tag, attributes in _Page(text).elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    for tag in ("style", "script"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[f"{tag}-src"] == f"'sha256-{digest}'"
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "data:"


def test_the_page_refers_to_nothing_outside_itself(tmp_path: Path, card: dict[str, Any]) -> None:
    text = page_of(tmp_path / "report", [judged("a.mp4", stills=[still()])], card)
    assert "//" not in re.sub(
        r"/\*.*?\*/|^\s*// .*$|base64,[\w+/=]+|sha256-[\w+/=]+", "", text, flags=re.MULTILINE
    )
    assert set(re.findall(r"url\(([^)]*)\)", text)) == {"#hatch"}
    assert "@import" not in text


def test_an_empty_audit_has_a_page(tmp_path: Path, card: dict[str, Any]) -> None:
    page = _Page(page_of(tmp_path / "report", [], card))
    assert page.rows() == 0
    assert "The audit found no clip." in page.text
    assert pq.read_table(tmp_path / "report" / "report.parquet").num_rows == 0
    assert json.loads((tmp_path / "report" / "report.json").read_text())["rows"] == []


def test_an_audit_of_nothing_but_errors_lists_them_by_reason(tmp_path: Path, card: dict[str, Any]) -> None:
    rows = [failed(f"{i}.mp4", f"{i}.mp4: not a video: text") for i in range(4)] + [failed("x.mp4", "gone")]
    page = _Page(page_of(tmp_path / "report", rows, card))
    assert page.rows() == 5
    assert "Not examined: 5" in page.text
    assert "4 × not a video: text" in page.text
    assert "No clip has a probability." in page.text


def test_the_warning_gives_the_error_rates_of_the_card(tmp_path: Path, card: dict[str, Any]) -> None:
    rates = card["error_rates"]["report_split_unseen_sources"]
    false_alarms = rates["camera_called_ai"]["average_over_sources"]
    found = 1 - rates["inconclusive"]["ai"] - rates["ai_called_camera"]["average_over_sources"]
    text = _Page(page_of(tmp_path / "report", [judged(f"{i}.mp4", 0.9) for i in range(200)], card)).text
    assert f"Of 100 camera clips, {100 * false_alarms:.0f} are called likely AI" in text
    assert f"about {200 * false_alarms:.0f} would still be called so" in text
    right = found * 0.1 / (found * 0.1 + false_alarms * 0.9)
    assert f"10 %{100 * right:.0f} %" in text
    for source in card["report"]["camera"]["sources"]:
        assert source in text


def test_a_card_without_error_rates_is_said_to_have_none(tmp_path: Path) -> None:
    text = _Page(page_of(tmp_path / "report", [judged("a.mp4")], {})).text
    assert "how often it is wrong is unknown" in text
    assert "has no reliability diagram" in text


def test_a_reliability_diagram_is_drawn_of_the_cards_points(tmp_path: Path, card: dict[str, Any]) -> None:
    points = [{"p": 0.1, "rate": 0.2, "weight": 9.0}, {"p": 0.9, "rate": 0.7, "weight": 1.0}]
    with_points = card | {"report": card["report"] | {"reliability": points}}
    page = _Page(page_of(tmp_path / "report", [judged("a.mp4")], with_points))
    assert [tag for tag, _ in page.elements].count("circle") == 2
    labels = [attributes.get("aria-label") or "" for _, attributes in page.elements]
    assert "Reliability diagram: promised 0.10, was 0.20; promised 0.90, was 0.70" in labels


def test_bars_of_a_timeline_are_as_high_as_the_probability(tmp_path: Path, card: dict[str, Any]) -> None:
    row = judged("a.mp4", segments=0)
    row["segments"] = [segment(0.0, 0.25), segment(1.0, 1.0), segment(2.0, 0.5, "nothing moves")]
    page = _Page(page_of(tmp_path / "report", [row], card))
    start = next(i for i, (_, a) in enumerate(page.elements) if a.get("class") == "timeline")
    bars = [a for tag, a in page.elements[start : start + 7] if tag == "rect"]
    assert [bar["class"] for bar in bars] == ["inconclusive", "likely_ai", "fault"]
    heights = [float(bar["height"] or 0) for bar in bars]
    assert heights[1] / heights[0] == pytest.approx(4, rel=0.02)
    assert "1.0–3.0 s: 1.00, likely AI" in page.text
    assert "2.0–4.0 s: nothing moves" in page.text


def test_three_thousand_clips_with_stills_stay_under_sixty_megabytes(
    tmp_path: Path, card: dict[str, Any]
) -> None:
    picture = still()
    rows = [judged(f"{i}.mp4", (i % 100) / 100, 8, stills=[picture] * 8) for i in range(3000)]
    assert sum(len(row["stills"]) * len(picture) for row in rows) > 60_000_000
    page = _Page(page_of(tmp_path / "report", rows, card))
    assert (tmp_path / "report" / "report.html").stat().st_size < 60_000_000
    assert page.rows() == 3000
    pictures = sum(tag == "img" for tag, _ in page.elements)
    assert pictures % 3000 == 0
    assert 1 <= pictures // 3000 < 6
    assert f"Up to {pictures // 3000} still" in page.text


def test_stills_that_do_not_fit_are_left_out_and_the_page_says_so(
    tmp_path: Path, card: dict[str, Any]
) -> None:
    picture = still(side=700)
    rows = [judged(f"{i}.mp4", stills=[picture]) for i in range(70_000_000 // len(picture))]
    page = _Page(page_of(tmp_path / "report", rows, card))
    assert "img" not in [tag for tag, _ in page.elements]
    assert "Stills are left out" in page.text


def test_beyond_five_thousand_clips_the_page_lists_the_likeliest_and_says_so(
    tmp_path: Path, card: dict[str, Any]
) -> None:
    rows = [judged(f"{i}.mp4", (i % 1000) / 1000, 1) for i in range(6000)] + [failed("broken.mp4", "cut off")]
    page = _Page(page_of(tmp_path / "report", rows, card))
    shown = [float(a["data-p"] or 0) for tag, a in page.elements if tag == "tr" and "data-p" in a]
    assert page.rows() == 5000
    assert "lists 5,000 of 6,001 clips" in page.text
    assert min(shown) >= 0.16
    assert "broken.mp4" in page.text
    assert pq.read_metadata(tmp_path / "report" / "report.parquet").num_rows == 6001


def test_parquet_reads_back_with_nested_segments(tmp_path: Path) -> None:
    given = {"case": 7, "note": "x", "nothing": None}
    rows = [judged("视频.mp4", 0.9, given=given, sha256="ab" * 32), failed("b\udcff.mp4", "gone")]
    rows[0] |= {"conflict": "the record says filmed", "stills": [still()]}
    write_rows(tmp_path / "rows.parquet", rows)
    read = pq.read_table(tmp_path / "rows.parquet").to_pylist(maps_as_pydicts="strict")
    assert read[0]["path"] == "视频.mp4"
    assert read[0]["segments"] == rows[0]["segments"]
    assert read[0]["evidence"] == rows[0]["evidence"]
    assert read[0]["given"] == {"case": "7", "note": "x", "nothing": ""}
    assert read[0]["conflict"] == "the record says filmed"
    assert read[0]["sha256"] == "ab" * 32
    assert "stills" not in read[0]
    assert (read[1]["path"], read[1]["p_ai"], read[1]["segments"]) == (r"b\udcff.mp4", None, [])


@pytest.mark.parametrize(
    "rows", [[], [failed("a", "gone")], [judged("a", given={"x": 1})]], ids=["none", "errors", "clips"]
)
def test_parquet_has_one_schema_whatever_is_in_it(tmp_path: Path, rows: list[Row]) -> None:
    write_rows(tmp_path / "rows.parquet", rows)
    schema = pq.read_schema(tmp_path / "rows.parquet")
    assert schema.equals(PARQUET_SCHEMA, check_metadata=False)
    assert schema.metadata[b"schema"] == b"clipproof.audit/1"


def test_csv_reads_back_with_a_column_for_each_of_the_manifest(tmp_path: Path) -> None:
    rows = [judged("a,\n“b”.mp4", 0.25, given={"case": 7}), judged("c.mp4", given={"uploader": "王芳"})]
    rows[1]["conflict"] = "the record says filmed"
    write_rows(tmp_path / "rows.csv", rows)
    with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    assert [row["path"] for row in read] == ["a,\n“b”.mp4", "c.mp4"]
    assert read[0]["p_ai"] == "0.25"
    assert read[0]["reason"] == "edges and grain lean to AI (+0.42)"
    assert [(row["given.case"], row["given.uploader"]) for row in read] == [("7", ""), ("", "王芳")]
    assert [(row["conflict"], row["reason"]) for row in read][1] == ("the record says filmed",) * 2


@pytest.mark.parametrize("start", ["=", "+", "-", "@", " =", "\t=", "＝", "\r", "\n"])
def test_no_cell_of_csv_is_a_formula(tmp_path: Path, start: str) -> None:
    text = f"{start}cmd|' /C calc'!A0"
    row = judged(text, given={text: text}, signer=text, duplicate_of=text) | {"error": text}
    write_rows(tmp_path / "rows.csv", [row])
    with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as file:
        head, cells = csv.reader(file)
    assert cells.count(f"'{text}") == 5
    assert text not in cells + head


def test_json_holds_every_field_but_stills_and_is_strict(tmp_path: Path) -> None:
    when = datetime.datetime(2026, 11, 2, tzinfo=datetime.UTC)
    row = judged("\udcff.mp4", given={"n": math.nan, "when": when, "raw": b"x"}, stills=["x"], later=[1])
    write_rows(tmp_path / "rows.json", [row, row])
    read = json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert read["schema"] == "clipproof.audit/1"
    kept = {name: value for name, value in row.items() if name != "stills"}
    assert read["rows"] == 2 * [kept | {"given": {"n": None, "when": when.isoformat(), "raw": "b'x'"}}]


def test_an_earlier_audit_is_read_from_its_file_or_folder(tmp_path: Path) -> None:
    rows = [judged("烟花.mp4"), failed("b\udcff.mp4", "gone")]
    write_rows(tmp_path / "report.json", rows)
    assert read_rows(tmp_path) == read_rows(tmp_path / "report.json") == rows


@pytest.mark.parametrize(
    "text", [None, "", "[]", '{"schema": "clipproof.verify/1", "rows": []}', '{"rows": []}']
)
def test_what_is_no_audit_is_not_taken_for_one(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "report.json").write_text(text)
    with pytest.raises(NotAReport, match=r"report\.json") as refused:
        read_rows(tmp_path / "report.json")
    assert "report.json" in refused.value.hint


def test_two_samples_of_one_kind_show_no_drift_and_a_shift_does() -> None:
    before = [judged(f"{i}", 0.1 + 0.008 * i) for i in range(100)]
    same = [judged(f"x{i}", 0.1 + 0.008 * i + 0.003) for i in range(100)]
    shifted = [judged(f"y{i}", min(1.0, 0.4 + 0.008 * i), ood_score=1.5) for i in range(100)]
    assert drift_report(before, same)["p_ai"]["p_value"] > 0.9
    found = drift_report(before, [*shifted, *(failed(f"z{i}", "gone") for i in range(100))])
    assert found["p_ai"]["p_value"] < 1e-6
    assert found["p_ai"]["statistic"] == pytest.approx(0.38, abs=0.02)
    assert found["errors"] == {"before": 0.0, "after": 0.5}
    assert found["unfamiliar"] == {"before": 0.0, "after": 1.0}
    assert found["verdicts"]["likely_ai"]["before"] == pytest.approx(0.12)
    assert json.loads(json.dumps(found)) == found


def test_drift_leaves_out_duplicates_and_clips_that_were_not_scored() -> None:
    before = [judged("a", 0.3), judged("b", 0.6)]
    copies = [judged(f"c{i}", 0.9, duplicate_of="a") for i in range(9)]
    blank = [judged(f"d{i}", 0.5, ood_score=None) for i in range(9)]
    found = drift_report(before, [*before, *copies, *blank])
    assert found["clips"] == {"before": 2, "after": 11}
    assert found["p_ai"] == {"statistic": 0.0, "p_value": 1.0, "before": 2, "after": 2}
    assert drift_report([], before)["p_ai"] is None


def test_the_page_warns_that_different_heads_are_not_comparable(tmp_path: Path, card: dict[str, Any]) -> None:
    before = [judged("a.mp4", 0.3, head_id="temporal-v0")]
    text = _Page(page_of(tmp_path / "report", [judged("a.mp4", 0.9)], card, before)).text
    assert "What changed since the last audit" in text
    assert "The heads differ (temporal-v0 before, temporal-v1 now)" in text


def test_a_report_that_cannot_be_written_says_where_and_leaves_nothing(
    tmp_path: Path, card: dict[str, Any]
) -> None:
    (tmp_path / "report").write_text("a file")
    with pytest.raises(OutputError, match="report"):
        write_report(tmp_path / "report", [], head_card=card)
    with pytest.raises(OutputError, match="no"):
        write_rows(tmp_path / "no" / "rows.parquet", [])
    assert [path.name for path in tmp_path.iterdir()] == ["report"]
