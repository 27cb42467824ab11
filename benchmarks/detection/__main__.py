"""How good the detector is, and what each part of it is worth.

    python -m benchmarks.detection [--clips DIR --manifest CSV] [--work DIR] [--out docs]

With labelled clips both shipped heads are fitted anew, into the package: their model cards follow, and the ablations.
Without, the tables and pictures are drawn from the shipped heads and the last ablations. Writes detector-bench.md, and
detector-roc.png and detector-reliability.png under images/.

What it does not show: generators and cameras that are not in the data, and people who try to fool the detector.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.detection.ablations import (
    Variant,
    compare,
    fused,
    learning_curve,
    native_scores,
    scores_blind_to_sources,
)
from benchmarks.detection.own_clips import manifest_with_own, write_own_clips
from benchmarks.detection.pictures import draw
from benchmarks.detection.tables import markdown
from detector.audit import Detector
from detector.corpus import EXTRA_RATES, Example, load_example, read_manifest, table_of
from detector.errors import DetectorError
from detector.examine import layout_of
from detector.features import schema
from detector.head import ENCODER_HEAD, HEADS_DIR, PLAIN_HEAD, load_head
from detector.normal_form import TARGET_RATE
from detector.protocols import protocol_scores
from detector.train import FIT_FAMILIES, train
from detector.wheel_encoder import WheelEncoder
from media import MediaError

MEASURED = Path(__file__).parent / "measured.json"
OWN_FITTED, OWN_HELD_OUT = 24, 100


def tell(step: str, share: float) -> None:
    """Progress on standard error, one line a step and tenth."""
    print(f"\r{step}: {share:4.0%}", end="", file=sys.stderr, flush=True)


def fit_heads(clips: Path, manifest: Path, work: Path) -> Path:
    """Fits both heads into the package, with own clips beside the given ones; returns the manifest used."""
    own = write_own_clips(work / "own", OWN_FITTED, first_seed=0)
    joined = manifest_with_own(manifest, clips, own, work)
    for name, encoder in ((PLAIN_HEAD, None), (ENCODER_HEAD, WheelEncoder())):
        train(work, joined, HEADS_DIR / name, cache=work / "features", encoder=encoder, progress=tell)
    return joined


def own_detected(work: Path) -> dict[str, Any]:
    """What the heads say of clips of the embedded generator that trained nothing."""
    clips = write_own_clips(work / "own", OWN_HELD_OUT, first_seed=OWN_FITTED)
    found = {}
    for name in (PLAIN_HEAD, ENCODER_HEAD):
        detector = Detector.load(name)
        verdicts = []
        for k, clip in enumerate(clips):
            tell(f"own clips, {name}", k / len(clips))
            verdicts.append(detector.audit(clip, cache=work / "examined").verdict)
        found[name] = {v: verdicts.count(v) for v in ("likely_ai", "inconclusive", "likely_camera")}
    return found


def fit_examples(work: Path, manifest: Path) -> list[Example]:
    """The judged clips of the fit split, with the encoder's features."""
    rates = (TARGET_RATE, *EXTRA_RATES)
    encoder, examples = WheelEncoder(), []
    for entry in (e for e in read_manifest(manifest) if e.split == "fit"):
        try:
            found = load_example(entry, work / entry.path, work / "features", FIT_FAMILIES, encoder, rates)
        except MediaError:
            continue
        if not found.obstacles:
            examples.append(found)
    return examples


def measure_ablations(work: Path, examples: list[Example]) -> dict[str, Any]:
    """Parts of the heads, what was left out of them, and what more sources would bring, under the joint protocol."""
    table = table_of(examples, schema(FIT_FAMILIES, layout_of(WheelEncoder())).blocks)
    plain = table.columns(FIT_FAMILIES)
    own = protocol_scores(plain, "joint")
    encoded = tuple(b for b in dict.fromkeys(table.blocks) if b not in FIT_FAMILIES)
    native = native_scores(examples, work, tell)
    alone = protocol_scores(table.columns(encoded), "joint")
    rows = compare(
        table,
        [
            Variant(f"{PLAIN_HEAD}: motion, flicker, filters", own),
            Variant("encoder of the extra `vit` alone", alone),
            Variant(f"{ENCODER_HEAD}: both, fused late", protocol_scores(table, "joint")),
            Variant(f"{PLAIN_HEAD} without pairs", protocol_scores(plain.without_pairs(), "joint")),
            Variant(f"{ENCODER_HEAD} without pairs", protocol_scores(table.without_pairs(), "joint")),
            Variant(f"{PLAIN_HEAD} blind to sources", scores_blind_to_sources(plain, 1.0)),
            Variant("native-resolution traces alone", native),
            Variant(f"{PLAIN_HEAD} fused with native traces", fused(own, own, native)),
        ],
    )
    curves = {PLAIN_HEAD: learning_curve(plain), ENCODER_HEAD: learning_curve(table)}
    return {"ablations": rows, "learning_curves": curves}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.detection", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--clips", type=Path, help="folder that the manifest's paths are in")
    parser.add_argument("--manifest", type=Path)
    parser.add_argument("--work", type=Path, default=Path(".train/detector"), help="own clips and features")
    parser.add_argument("--out", type=Path, default=Path("docs"))
    options = parser.parse_args()
    if bool(options.clips) != bool(options.manifest):
        parser.error("--clips and --manifest belong together")
    try:
        if options.clips:
            options.work.mkdir(parents=True, exist_ok=True)
            manifest = fit_heads(options.clips, options.manifest, options.work)
            measured = measure_ablations(options.work, fit_examples(options.work, manifest))
            measured["own"] = own_detected(options.work)
            MEASURED.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    except DetectorError as error:
        print(f"{error}\n{error.hint}", file=sys.stderr)
        return 2
    heads = [load_head(PLAIN_HEAD), load_head(ENCODER_HEAD)]
    text = markdown(heads, json.loads(MEASURED.read_text(encoding="utf-8")))
    (options.out / "images").mkdir(parents=True, exist_ok=True)
    (options.out / "detector-bench.md").write_text(text, encoding="utf-8")
    draw(heads, options.out / "images")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
