"""The learned part of the policy: from a sentence embedding to one probability per reason code.

A head is one hidden layer on a frozen encoder, in safetensors. It is made for one encoder, whose digest it
carries, and is refused with any other. Numpy only: a check loads no torch.
"""

import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from generator.safety.encoder import DIMENSIONS
from generator.safety.errors import PolicyError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCHEMA = "clipproof.safety-head/1"
ANY = "any"
"""The output that says how likely a prompt breaks any rule at all."""

DECIMALS = 3
"""Scores are rounded before they meet a threshold: the last bits of a matrix product differ between machines."""

_STRETCH_CHARS = 160
_SENTENCE = re.compile(r"[^.!?。！？；;\n]+[.!?。！？；;\n]*")


@dataclass(frozen=True, slots=True)
class Head:
    """A trained head: `codes[k]` names output k; `encoder_sha256` is the encoder that it reads."""

    codes: tuple[str, ...]
    encoder_sha256: str
    hidden: "NDArray[np.float32]"
    hidden_bias: "NDArray[np.float32]"
    out: "NDArray[np.float32]"
    out_bias: "NDArray[np.float32]"

    def scores(self, embeddings: "NDArray[np.float32]") -> dict[str, float]:
        """Probability in [0, 1] of each code, the highest over the rows of `embeddings`, float32 [N, 512]."""
        import numpy as np

        hidden = np.maximum(embeddings @ self.hidden + self.hidden_bias, 0)
        logits = (hidden @ self.out + self.out_bias).max(axis=0)
        probabilities = 1 / (1 + np.exp(-logits.astype(np.float64)))
        return {
            code: round(float(value), DECIMALS) for code, value in zip(self.codes, probabilities, strict=True)
        }


def load_head(name: str, content: bytes) -> Head:
    """The head in the bytes of a safetensors file; raises PolicyError that names the file."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors = load(content)
        metadata = _metadata(content)
        codes = tuple(json.loads(metadata["codes"]))
        head = Head(
            codes=codes,
            encoder_sha256=metadata["encoder_sha256"],
            hidden=tensors["hidden"],
            hidden_bias=tensors["hidden_bias"],
            out=tensors["out"],
            out_bias=tensors["out_bias"],
        )
    except (SafetensorError, KeyError, ValueError, TypeError, struct.error) as error:
        raise PolicyError(
            f"{name}: not a head of the prompt policy: {error}",
            hint="Write it with `python -m generator.safety.train`.",
        ) from error
    width = head.hidden_bias.shape[0] if head.hidden_bias.ndim == 1 else -1
    shapes = (head.hidden.shape, head.out.shape, head.out_bias.shape)
    if metadata.get("schema") != SCHEMA or shapes != (
        (DIMENSIONS, width),
        (width, len(codes)),
        (len(codes),),
    ):
        raise PolicyError(
            f"{name}: its schema or shapes are not those of {SCHEMA}",
            hint="Train it again with this version of Clipproof.",
        )
    return head


def head_bytes(
    tensors: "Mapping[str, NDArray[np.float32]]", *, codes: tuple[str, ...], encoder_sha256: str
) -> bytes:
    """A head file; `tensors` are named as the fields of `Head`."""
    from safetensors.numpy import save

    metadata = {"schema": SCHEMA, "codes": json.dumps(codes), "encoder_sha256": encoder_sha256}
    content: bytes = save(dict(tensors), metadata=metadata)
    return content


def stretches(text: str) -> list[str]:
    """`text` whole, and where it is long also its sentences in runs of about 160 characters.

    An average over a long text drowns one harmful sentence; each run is judged by itself.
    """
    if len(text) <= 2 * _STRETCH_CHARS:
        return [text]
    runs: list[str] = []
    run = ""
    for sentence in _SENTENCE.findall(text):
        for piece in _pieces(sentence):
            if run and len(run) + len(piece) > _STRETCH_CHARS:
                runs.append(run)
                run = ""
            run += piece
    return [text, *runs, *([run] if run.strip() else [])]


def _pieces(sentence: str) -> list[str]:
    """A sentence in pieces of at most 160 characters, cut at spaces where there are any."""
    pieces = []
    while len(sentence) > _STRETCH_CHARS:
        cut = sentence.rfind(" ", _STRETCH_CHARS // 2, _STRETCH_CHARS)
        cut = cut + 1 if cut > 0 else _STRETCH_CHARS
        pieces.append(sentence[:cut])
        sentence = sentence[cut:]
    return [*pieces, sentence]


def _metadata(content: bytes) -> Mapping[str, str]:
    (length,) = struct.unpack("<Q", content[:8])
    metadata: Mapping[str, str] = json.loads(content[8 : 8 + length])["__metadata__"]
    return metadata
