"""Does an encoder trained from little help a head on groups that neither has been told of?

    python -m benchmarks.own_encoder --clips DIR --manifest CSV --run FOLDER --probes FOLDER [--json OUT]
        [--labelled STATE:GROUPS ...]

`--run` is what `detector.encoder_training` wrote; `--probes` holds captioned pictures that it did not see.
Everything is measured on the split `fit` under the joint protocol: AUROC of scores by heads that saw neither
the generator's nor the camera's group. Beside the encoder stand the same tensors with their entries shuffled
(the floor: what an architecture sees without having learnt), and the head's own features. `--labelled` is a
run with labels and the groups that it was *not* trained on: its scores count for those only.

Not shown: clips of the split `report`; what more clips or longer training would give. The encoder saw the
clips' frames (never their labels), so its rows are mildly optimistic.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from detector import OpenClipEncoder
from detector.calibration import auroc
from detector.corpus import EXTRA_RATES, Example, load_example, read_manifest, table_of
from detector.encoder_training.frames import ClipFrames, cached_frames, load_pairs
from detector.features import FAMILIES, schema
from detector.features.embedding import Layout, embedding_features, embedding_names
from detector.normal_form import TARGET_RATE, WINDOW_FRAMES
from detector.protocols import Table, bootstrap_interval, protocol_scores
from generator.spacetime.concepts import SLOTS
from media import MediaError, atomic_path

FRAMES = 8
"""Of a window's 16: every other one."""

LAYERS = ("middle", "last", "pooled")
SHUFFLES = 2
LANGUAGES = ("en", "zh")
RENDERED_OR_FILMED = {
    "en": ("a rendered scene", "a photo from a camera"),
    "zh": ("渲染的场景", "相机拍摄的照片"),
}


class Layers:
    """An encoder's parts as it gives them, and the mean of its last stage over the picture."""

    def __init__(self, encoder: OpenClipEncoder) -> None:
        self.encoder = encoder
        self._last: list[np.ndarray] = []
        encoder._visual.trunk.s4.register_forward_hook(self._keep)

    def _keep(self, module: Any, given: Any, output: torch.Tensor) -> None:
        self._last.append(output.float().mean((2, 3)).numpy())

    def __call__(self, rgb: np.ndarray) -> dict[str, np.ndarray]:
        """float32 [T, D] by layer of pictures [T, H, W, 3]."""
        self._last.clear()
        with torch.autocast("cpu", torch.bfloat16):
            embedded = self.encoder.embed(rgb)
        return {**split(self.encoder, embedded), "last": np.concatenate(self._last)}


def split(encoder: OpenClipEncoder, embedded: np.ndarray) -> dict[str, np.ndarray]:
    """The parts of embeddings [T, D], by name."""
    widths = [width for _, width in encoder.layout.parts]
    parts = np.split(embedded, np.cumsum(widths)[:-1], axis=1)
    return {name: part for (name, _), part in zip(encoder.layout.parts, parts, strict=True)}


def shuffle(encoder: OpenClipEncoder, clips: Sequence[ClipFrames], seed: int) -> None:
    """Shuffles the entries of every weight in place, then measures the running statistics anew."""
    rng = torch.Generator().manual_seed(seed)
    visual = encoder._visual
    with torch.no_grad():
        for weight in visual.parameters():
            weight.copy_(weight.flatten()[torch.randperm(weight.numel(), generator=rng)].view_as(weight))
        norms = [m for m in visual.modules() if isinstance(m, torch.nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain average over the batches below
        visual.train()
        for k in range(8):
            some = clips[k :: max(1, len(clips) // 32)]
            encoder.embed(np.stack([c.frames[len(c.frames) // 2] for c in some]))
        visual.eval()


def windows_of(frames: np.ndarray) -> list[np.ndarray]:
    """The windows of a clip's frames [T, ...]; a clip shorter than one is a window by itself."""
    if len(frames) < WINDOW_FRAMES:
        return [frames]
    return [frames[k : k + WINDOW_FRAMES] for k in range(0, len(frames), WINDOW_FRAMES)]


def embed_clips(layers: Layers, clips: Sequence[ClipFrames]) -> dict[str, list[np.ndarray]]:
    """By layer and clip, frame embeddings float32 [windows, T, D]."""
    found: dict[str, list[np.ndarray]] = {layer: [] for layer in LAYERS}
    for clip in clips:
        rows = [layers(np.asarray(window[::2][:FRAMES])) for window in windows_of(clip.frames)]
        for layer in LAYERS:
            found[layer].append(np.stack([row[layer] for row in rows]))
    return found


def table_of_embeddings(embedded: Sequence[np.ndarray], like: Table) -> Table:
    """Mean, spread and path of every window's embeddings, with the clips of another table."""
    layout = Layout((("layer", embedded[0].shape[-1]),), FRAMES)
    rows = [embedding_features(window, layout) for clip in embedded for window in clip]
    owner = np.repeat(np.arange(len(embedded)), [len(clip) for clip in embedded])
    _, blocks = embedding_names(layout)
    return replace(
        like,
        x=np.array(rows),
        blocks=blocks,
        clip=owner,
        scored=np.ones(len(rows), bool),
        paired=np.zeros(len(rows), bool),
    )


def standardised(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Scores with weighted mean 0 and deviation 1."""
    mean = np.average(scores, weights=weights)
    return (scores - mean) / np.sqrt(np.average((scores - mean) ** 2, weights=weights))


def first_and_last(embedded: Sequence[np.ndarray]) -> float:
    """Share of clips whose last frame is nearest, of all clips' first frames, to its own."""

    def unit(x: np.ndarray) -> np.ndarray:
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    first = np.stack([clip[0, 0] for clip in embedded])
    last = np.stack([clip[-1, -1] for clip in embedded])
    mean = first.mean(0)
    near = unit(last - mean) @ unit(first - mean).T
    return float(np.mean(near.argmax(1) == np.arange(len(near))))


class Words:
    """The text tower of the run, and what it makes of pictures."""

    def __init__(self, folder: Path) -> None:
        import open_clip

        name = f"local-dir:{folder}"
        self._model = open_clip.create_model(name, require_pretrained=True).eval()
        self._tokenizer = open_clip.get_tokenizer(name)

    def __call__(self, sentences: Sequence[str]) -> np.ndarray:
        """float32 [N, D], each of length 1."""
        with torch.inference_mode():
            return self._model.encode_text(self._tokenizer(list(sentences)), normalize=True).numpy()


def probe_words(words: Words, encoder: OpenClipEncoder, folder: Path) -> dict[str, Any]:
    """Zero-shot accuracy on rendered pictures that were not trained on, in both languages."""
    pairs = load_pairs(folder)
    shown = split(encoder, encoder.embed(pairs.pictures))["pooled"]
    results: dict[str, Any] = {"pictures": len(shown)}
    for language in LANGUAGES:
        said = np.array(getattr(pairs, language))
        distinct, place = np.unique(said, return_inverse=True)
        found = (shown @ words(distinct).T).argmax(1)
        results[language] = {
            "captions": len(distinct),
            "right_caption": float(np.mean(found == place)),
        }
        for slot in ("color", "shape", "ground", "light"):
            values = [max(getattr(c, language)[:1], key=len) for c in SLOTS[slot]]
            has = np.array([[v in sentence for v in values] for sentence in said])
            one = has.sum(1) == 1  # synonyms and pairs of colours are left out
            guess = (shown[one] @ words(values).T).argmax(1)
            results[language][slot] = {
                "n": int(one.sum()),
                "accuracy": float(np.mean(has[one][np.arange(one.sum()), guess])),
                "chance": 1 / len(values),
            }
    return results


def probe_clips(
    words: Words, embedded: Sequence[np.ndarray], table: Table, said: dict[str, Sequence[str]]
) -> dict[str, float]:
    """AUROC, over clips, of two text probes: "rendered" against "filmed", and likeness to known captions."""
    means = np.stack([clip.mean((0, 1)) for clip in embedded])
    found = {}
    for language in LANGUAGES:
        rendered, filmed = words(RENDERED_OR_FILMED[language])
        known = words(said[language])
        weights = table.clip_weights()
        found[f"rendered_or_filmed_{language}"] = auroc(means @ (rendered - filmed), table.is_ai, weights)
        found[f"nearest_caption_{language}"] = auroc((means @ known.T).max(1), table.is_ai, weights)
    return found


def labelled_scores(runs: Sequence[str], clips: Sequence[ClipFrames]) -> np.ndarray:
    """Logits [n] of runs with labels, each on the groups that it was not trained on; NaN elsewhere."""
    scores = np.full(len(clips), np.nan)
    for run in runs:
        state_path, _, groups = run.partition(":")
        state = torch.load(state_path, weights_only=True)["learner"]
        encoder = OpenClipEncoder(f"local-dir:{Path(state_path).parent / 'encoder'}")
        weight, bias = state["labels.label.weight"][0].numpy(), float(state["labels.label.bias"])
        for k, clip in enumerate(clips):
            if clip.entry.group in groups.split(","):
                x = split(encoder, encoder.embed(np.asarray(clip.frames[::4])))["pooled"]
                scores[k] = float(np.mean(x * len(weight) ** 0.5 @ weight + bias))
    return scores


def load(options: argparse.Namespace) -> tuple[list[Example], list[ClipFrames]]:
    """The usable clips of the split `fit`: their features and their frames."""
    examples, clips = [], []
    for entry in read_manifest(options.manifest):
        if entry.split != "fit":
            continue
        path = options.clips / entry.path
        try:
            example = load_example(
                entry, path, options.features, tuple(FAMILIES), rates=(TARGET_RATE, *EXTRA_RATES)
            )
            frames = cached_frames(path, options.frames)
        except MediaError:
            continue
        if not example.obstacles and len(frames):
            examples.append(example)
            clips.append(ClipFrames(entry, frames))
    return examples, clips


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Every row of the ablation."""
    examples, clips = load(options)
    # Neither side trains on processed copies of camera clips: the encoder never met them.
    table = table_of(examples, schema(tuple(FAMILIES)).blocks).without_pairs()
    weights = table.clip_weights()
    scores = {"features": protocol_scores(table, "joint")}
    folder = options.run / "encoder"
    encoder = OpenClipEncoder(f"local-dir:{folder}")
    words = Words(folder)
    result: dict[str, Any] = {
        "clips": {
            "ai": int(table.is_ai.sum()),
            "camera": int((~table.is_ai).sum()),
            "groups": len(set(table.group)),
        },
        "probes": probe_words(words, encoder, options.probes),
        "same_clip_first_of_last": {},
    }
    makers = ["own", *(f"shuffled {k}" for k in range(SHUFFLES))]
    for k, maker in enumerate(makers):
        print(f"embedding with {maker}", flush=True)
        layers = Layers(OpenClipEncoder(f"local-dir:{folder}"))
        if k:
            shuffle(layers.encoder, clips, k)
        embedded = embed_clips(layers, clips)
        for layer in LAYERS:
            scores[f"{maker}, {layer}"] = protocol_scores(
                table_of_embeddings(embedded[layer], table), "joint"
            )
        result["same_clip_first_of_last"][maker] = {la: first_and_last(embedded[la]) for la in LAYERS}
        if not k:
            pairs = load_pairs(options.probes)
            said = {language: sorted(set(getattr(pairs, language))) for language in LANGUAGES}
            result["probes"]["clips"] = probe_clips(words, embedded["pooled"], table, said)
    if options.labelled:
        scores["own with labels"] = labelled_scores(options.labelled, clips)

    alone = dict(scores)
    base = standardised(scores["features"], weights)
    for name, values in alone.items():
        if name != "features":
            scores[f"features + {name}"] = base + standardised(values, weights)
    result["auroc"] = {
        name: {
            "auroc": auroc(values, table.is_ai, weights),
            "interval_95": bootstrap_interval(table, lambda w, v=values: auroc(v, table.is_ai, w)),
        }
        for name, values in scores.items()
    }

    def difference(first: str, others: Sequence[str]) -> dict[str, Any]:
        def statistic(w: np.ndarray) -> float:
            rest = np.mean([auroc(scores[o], table.is_ai, w) for o in others])
            return auroc(scores[first], table.is_ai, w) - float(rest)

        return {"difference": statistic(weights), "interval_95": bootstrap_interval(table, statistic, 1000)}

    result["differences"] = {}
    for name in alone:
        if name == "features":
            continue
        result["differences"][f"features + {name} - features"] = difference(
            f"features + {name}", ["features"]
        )
        if name.startswith("own, "):
            floors = [f"features + {m}, {name.removeprefix('own, ')}" for m in makers[1:]]
            result["differences"][f"features + {name} - features + shuffled"] = difference(
                f"features + {name}", floors
            )
    return result


def markdown(result: dict[str, Any]) -> str:
    """The result as tables."""
    lines = ["| scored on | joint AUROC | 95 % |", "| --- | --- | --- |"]
    for name, row in result["auroc"].items():
        low, high = row["interval_95"]
        lines.append(f"| {name} | {row['auroc']:.3f} | {low:.3f} to {high:.3f} |")
    lines += ["", "| difference | | 95 % |", "| --- | --- | --- |"]
    for name, row in result["differences"].items():
        low, high = row["interval_95"]
        lines.append(f"| {name} | {row['difference']:+.3f} | {low:+.3f} to {high:+.3f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True, help="OUT of detector.encoder_training")
    parser.add_argument("--probes", type=Path, required=True, help="captioned pictures not trained on")
    parser.add_argument("--labelled", nargs="*", default=[], metavar="STATE:GROUPS")
    parser.add_argument("--frames", type=Path, default=Path(".train/frames"), help="cache of decoded frames")
    parser.add_argument("--features", type=Path, default=Path(".train/detector"), help="cache of features")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    result = measure(options)
    print(markdown(result))
    print(json.dumps({k: v for k, v in result.items() if k not in ("auroc", "differences")}, indent=1))
    if options.json:
        with atomic_path(options.json) as temporary:
            temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
