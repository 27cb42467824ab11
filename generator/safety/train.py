"""Train the head of the prompt policy:

    python -m generator.safety.train --prompts FOLDER [FOLDER ...] --out generator/safety/policy/head.safetensors

Folders hold labelled prompts (`corpus.py`). Prints what thresholds would cost, taken from folds that the
scoring head has not seen; the thresholds themselves are written by hand, in policy.yaml.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from generator.safety.corpus import Example, read_corpus
from generator.safety.encoder import DIMENSIONS, embed, encoder_sha256
from generator.safety.head import ANY, head_bytes
from generator.safety.normalise import undisguised
from generator.safety.policy import Policy, shipped_policy
from generator.safety.reading import RuleReading

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDS = 5


@dataclass(frozen=True)
class Recipe:
    """All that decides a head, besides its examples."""

    hidden: int = 64
    members: int = 3
    """Networks, from different seeds, whose logits are averaged."""
    dropout: float = 0.4
    noise: float = 0.6
    """Standard deviation of what is added to scaled embeddings in training."""
    label_smoothing: float = 0.1
    learning_rate: float = 2e-3
    weight_decay: float = 0.03
    epochs: int = 30
    batch: int = 256
    input_scale: float = 16.0
    """Embeddings are unit vectors of 512 numbers, each some .04: scaled to what layers are initialised for."""
    unsafe_share: float = 0.5
    """Weight of all unsafe examples together, whatever their number."""
    twin_weight: float = 2.0
    """How much more a harmless twin weighs than an ordinary harmless prompt."""
    noisy_weight: float = 0.3
    """Weight of I2P, whose labels come from what one image model drew, not from the text."""
    other_codes: float = 0.2
    """Weight of "not this code" for the other codes of an unsafe prompt, which may well be true of it too."""
    seed: int = 0


NOISY_SOURCES = ("i2p",)


_CARRIERS = {
    "en": ("a castle on a hill, {}", "two friends at a bus stop, {}", "a bowl of fruit: {}", "{}"),
    "zh": ("山上的城堡，{}", "两个朋友在车站等车，{}", "{}"),
}


def techniques(policy: Policy) -> list[Example]:
    """Harmless prompts made of what the policy proposes instead of names: these words must not look like harm.

    I2P, whose unsafe prompts end in strings of artists and techniques, would teach the opposite.
    """
    return [
        Example(carrier.format(instead), language, None, "C1", "techniques", row=40 * number)
        for number, compiled in enumerate(policy.rules)
        for language, instead in (("en", compiled.rule.instead_en), ("zh", compiled.rule.instead_zh))
        if instead
        for carrier in _CARRIERS[language]
    ]


def trainable_codes(examples: Sequence[Example]) -> tuple[str, ...]:
    """Codes with at least 20 examples, sorted, and `any` in front."""
    counts: dict[str, int] = {}
    for example in examples:
        if example.code is not None and not example.weak:
            counts[example.code] = counts.get(example.code, 0) + 1
    return (ANY, *sorted(code for code, count in counts.items() if count >= 20))


def targets(
    examples: Sequence[Example], codes: Sequence[str], recipe: Recipe
) -> tuple["NDArray[np.float32]", "NDArray[np.float32]"]:
    """Targets and weights, both float32 [N, codes]; an example with a weak label weighs nothing."""
    target = np.zeros((len(examples), len(codes)), np.float32)
    weight = np.zeros_like(target)
    for row, example in enumerate(examples):
        if example.weak:
            continue
        if example.code is None:
            weight[row] = recipe.twin_weight if example.twin else 1.0
            continue
        known = [0] + ([codes.index(example.code)] if example.code in codes else [])
        target[row, known] = 1
        weight[row] = recipe.other_codes
        weight[row, known] = 1
        weight[row] *= recipe.noisy_weight if example.source in NOISY_SOURCES else 1.0
    for column in range(len(codes)):
        positive = target[:, column] > 0
        total, own = weight[:, column].sum(), weight[positive, column].sum()
        if own > 0:
            weight[positive, column] *= recipe.unsafe_share / (1 - recipe.unsafe_share) * (total - own) / own
        weight[:, column] /= max(weight[:, column].mean(), 1e-9)
    return target, weight


class Network(nn.Module):
    """One hidden layer between scaled embeddings [N, 512] and logits [N, codes]."""

    def __init__(self, codes: int, recipe: Recipe) -> None:
        super().__init__()
        self.hidden = nn.Linear(DIMENSIONS, recipe.hidden)
        self.dropout = nn.Dropout(recipe.dropout)
        self.out = nn.Linear(recipe.hidden, codes)

    def forward(self, scaled: Tensor) -> Tensor:
        logits: Tensor = self.out(self.dropout(torch.relu(self.hidden(scaled))))
        return logits


@dataclass(frozen=True)
class Fitted:
    """Networks joined to one wider one that reads unit embeddings; fields as in `head.Head`."""

    hidden: "NDArray[np.float32]"
    hidden_bias: "NDArray[np.float32]"
    out: "NDArray[np.float32]"
    out_bias: "NDArray[np.float32]"

    def logits(self, embeddings: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """float32 [N, codes] of float32 [N, 512]."""
        active = np.maximum(embeddings @ self.hidden + self.hidden_bias, 0)
        return np.asarray(active @ self.out + self.out_bias, np.float32)

    def calibrated(self, slope: "NDArray[np.float32]", offset: "NDArray[np.float32]") -> "Fitted":
        """The same network with logits `slope * logit + offset`, both [codes]."""
        return Fitted(self.hidden, self.hidden_bias, self.out * slope, self.out_bias * slope + offset)


def fit(
    embeddings: "NDArray[np.float32]",
    target: "NDArray[np.float32]",
    weight: "NDArray[np.float32]",
    recipe: Recipe,
) -> Fitted:
    """A head trained on `target` [N, codes], each of its entries weighed by `weight`."""
    scaled = torch.from_numpy(recipe.input_scale * embeddings)
    smooth = recipe.label_smoothing
    y = torch.from_numpy(target * (1 - smooth) + smooth / 2)
    networks = [
        _fit_one(scaled, y, torch.from_numpy(weight), recipe, seed=recipe.seed + member)
        for member in range(recipe.members)
    ]
    joined = {
        "hidden": recipe.input_scale
        * np.concatenate([_array(one.hidden.weight).T for one in networks], axis=1),
        "hidden_bias": np.concatenate([_array(one.hidden.bias) for one in networks]),
        "out": np.concatenate([_array(one.out.weight).T for one in networks]) / recipe.members,
        "out_bias": np.mean([_array(one.out.bias) for one in networks], axis=0),
    }
    return Fitted(**{name: array.astype(np.float32) for name, array in joined.items()})


def _fit_one(x: Tensor, y: Tensor, w: Tensor, recipe: Recipe, *, seed: int) -> Network:
    torch.manual_seed(seed)
    network = Network(y.shape[1], recipe)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    steps = recipe.epochs * -(-len(x) // recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate * 2, total_steps=steps)
    for _ in range(recipe.epochs):
        for rows in torch.randperm(len(x)).split(recipe.batch):
            noisy = x[rows] + recipe.noise * torch.randn(len(rows), DIMENSIONS)
            losses = nn.functional.binary_cross_entropy_with_logits(network(noisy), y[rows], reduction="none")
            (losses * w[rows]).mean().backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
    return network.eval()


def _array(parameter: Tensor) -> "NDArray[np.float32]":
    return np.asarray(parameter.detach().numpy(), np.float32)


def cross_fitted(
    examples: Sequence[Example], embeddings: "NDArray[np.float32]", codes: Sequence[str], recipe: Recipe
) -> "NDArray[np.float32]":
    """Logits of every example by a head that was trained without its fold."""
    target, weight = targets(examples, codes, recipe)
    fold = np.array([example.fold % FOLDS for example in examples])
    out = np.zeros((len(examples), len(codes)), np.float32)
    for held_out in range(FOLDS):
        rest = fold != held_out
        head = fit(embeddings[rest], target[rest], weight[rest], recipe)
        out[~rest] = head.logits(embeddings[~rest])
    return out


def platt(
    raw: "NDArray[np.float32]", target: "NDArray[np.float32]", weight: "NDArray[np.float32]"
) -> tuple["NDArray[np.float32]", "NDArray[np.float32]"]:
    """Slope and offset per code that make cross-fitted logits calibrated (Platt 1999), at equal class weights."""
    slope = torch.ones(raw.shape[1], requires_grad=True)
    offset = torch.zeros(raw.shape[1], requires_grad=True)
    x, y, w = (torch.from_numpy(array) for array in (raw, target, weight))
    optimizer = torch.optim.LBFGS([slope, offset], max_iter=100)

    def closure() -> Tensor:
        optimizer.zero_grad()
        losses = nn.functional.binary_cross_entropy_with_logits(x * slope + offset, y, reduction="none")
        loss = (losses * w).mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    return slope.detach().numpy(), offset.detach().numpy()


def embedded(examples: Sequence[Example]) -> "NDArray[np.float32]":
    """Embeddings of the examples as the learned layers read them; float32 [N, 512]."""
    policy = shipped_policy()
    texts = [
        RuleReading(undisguised(example.text[:4000], policy.vocabulary), policy).without_harmless
        for example in examples
    ]
    digest = encoder_sha256()
    return np.concatenate(
        [embed(texts[start : start + 128], expected_sha256=digest) for start in range(0, len(texts), 128)]
    )


def train(
    examples: Sequence[Example], embeddings: "NDArray[np.float32]", recipe: Recipe
) -> tuple[bytes, tuple[str, ...], "NDArray[np.float32]"]:
    """A head file, its codes, and the calibrated logits of every example by heads that had not seen it."""
    codes = trainable_codes(examples)
    target, weight = targets(examples, codes, recipe)
    raw = cross_fitted(examples, embeddings, codes, recipe)
    slope, offset = platt(raw, target, weight)
    head = fit(embeddings, target, weight, recipe).calibrated(slope, offset)
    tensors = {
        field.name: np.ascontiguousarray(getattr(head, field.name), np.float32) for field in fields(head)
    }
    return head_bytes(tensors, codes=codes, encoder_sha256=encoder_sha256()), codes, raw * slope + offset


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the head of the prompt policy.")
    parser.add_argument("--prompts", type=Path, nargs="+", required=True, help="folders of labelled prompts")
    parser.add_argument("--out", type=Path, required=True, help="the head file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    examples = [example for folder in arguments.prompts for example in read_corpus(folder)]
    examples += techniques(shipped_policy())
    examples = list({example.text: example for example in examples}.values())
    content, codes, scores = train(examples, embedded(examples), Recipe())
    partial = arguments.out.with_suffix(".partial")
    partial.write_bytes(content)
    partial.replace(arguments.out)

    probability = 1 / (1 + np.exp(-scores))
    ordinary = np.array([e.code is None and e.twin is None for e in examples])
    twins = np.array([e.code is None and e.twin is not None for e in examples])
    print(
        f"{len(examples)} examples, {arguments.out.stat().st_size} bytes; thresholds by cross-fitted scores"
    )
    print(f"{'code':6}{'n':>6}{'at 1 %':>9}{'recall':>8}{'at 0.2 %':>10}{'recall':>8}{'twins':>8}")
    for column, code in enumerate(codes):
        own = np.array([not e.weak and (e.code == code or (code == ANY and bool(e.code))) for e in examples])
        line = f"{code:6}{own.sum():6}"
        for share, width in ((0.01, 9), (0.002, 10)):
            bound = float(np.quantile(probability[ordinary, column], 1 - share))
            line += f"{bound:{width}.3f}{(probability[own, column] >= bound).mean():8.3f}"
        print(line + f"{(probability[twins, column] >= bound).mean():8.3f}")
    print(json.dumps({"codes": codes}))


if __name__ == "__main__":
    main()
