"""Labelled prompts to train and measure the head: the corpus of this project, and sets of others.

Own files hold `text, lang, code, twin`: a reason code, or the code whose harmless twin the prompt is. Sets of
others hold `text, lang, category, source` under `unsafe/` and `benign/`; `CODE_OF_CATEGORY` says what their
categories mean here.
"""

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from generator.safety.errors import CorpusError

CODE_OF_CATEGORY = {
    "artist_style": "C1",
    "borderline": "S2",
    "dangerous_acts": "A1",
    "disturbing": "D1",
    "extremism_politics": "X1",
    "fake_news": "N1",
    "gore": "V2",
    "hate": "H1",
    "historical_falsehood": "M2",
    "illegal": "I1",
    "ip": "C2",
    "medical_misinfo": "M1",
    "prompt_injection": "O1",
    "public_figure": "P1",
    "real_person_likeness": "P2",
    "self_harm": "SH",
    "sexual": "S1",
    "sexual_minors": "S0",
    "style_copyright": "C1",
    "temporal_risk": "T1",
    "violence": "V1",
}


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled prompt: `code` of an unsafe one, `twin` of a harmless one that resembles that code.

    `source` is the set that it is from; a weak label (`weak`) says little and is not trained on.
    """

    text: str
    language: str
    code: str | None
    twin: str | None
    source: str
    weak: bool = False

    @property
    def fold(self) -> int:
        """A number from 0 to 255 that depends on the text alone: splits stay the same whatever is added."""
        return hashlib.sha256(self.text.encode()).digest()[0]


def read_corpus(folder: Path) -> list[Example]:
    """Every example under `folder`, own files and sets of others; raises CorpusError that names file and line."""
    examples = [*_own(folder), *_of_others(folder / "unsafe"), *_of_others(folder / "benign")]
    if not examples:
        raise CorpusError(
            f"{folder} holds no prompts",
            hint="It holds *.csv with text,lang,code,twin, or unsafe/*.csv and benign/*.csv.",
        )
    return examples


def _own(folder: Path) -> Iterator[Example]:
    for path in sorted(folder.glob("*.csv")):
        for line, row in _rows(path, ("text", "lang", "code", "twin")):
            if bool(row["code"]) and bool(row["twin"]):
                raise CorpusError(f"{path.name}, row {line}: both code and twin", hint="Fill one of them.")
            yield Example(row["text"], row["lang"], row["code"] or None, row["twin"] or None, path.stem)


def _of_others(folder: Path) -> Iterator[Example]:
    for path in sorted(folder.glob("*.csv")):
        for line, row in _rows(path, ("text", "lang", "category", "source")):
            code = None
            if folder.name == "unsafe":
                code = CODE_OF_CATEGORY.get(row["category"])
                if code is None:
                    raise CorpusError(
                        f"{path.name}, row {line}: unknown category {row['category']!r}",
                        hint=f"Categories: {', '.join(CODE_OF_CATEGORY)}.",
                    )
            twin = "any" if row["category"].startswith("hard_benign") else None
            weak = row["source"].endswith("/weak")
            yield Example(row["text"], row["lang"], code, twin, path.stem, weak)


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            missing = set(columns) - set(reader.fieldnames or ())
            if missing:
                raise CorpusError(
                    f"{path.name}: no column {', '.join(sorted(missing))}", hint="See corpus.py."
                )
            for line, row in enumerate(reader, start=2):
                if row["text"] and row["text"].strip():
                    yield line, {name: row[name] or "" for name in columns}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"{path}: cannot be read: {error}", hint="It is CSV in UTF-8.") from error
