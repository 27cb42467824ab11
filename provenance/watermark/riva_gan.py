"""Marks that other generators leave with `invisible-watermark`'s third method, rivaGan: 32 bits.

Its decoder is a network that comes inside the package. It takes a quarter of a second for 256x256 px, where
the other methods take milliseconds for a frame, so it is asked only by who wants it. The package itself is
not imported: that would import torch.

The network answers any picture with 32 numbers, and answers like pictures alike: over unmarked clips, a left
and a right crop agree on up to 28 of 32 bits. What it answers to the mirrored crop has the picture's share in it
and nothing of a mark, and is taken off; what is then left of two crops is correlated.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from provenance.watermark.errors import ModelUnavailable
from provenance.watermark.evidence import FALSE_ALARM
from provenance.watermark.third_party import MIN_AREA, Bits, ThirdPartyMark, correlation_test, readings

BITS = 32
DECODER_SHA256 = "6b006690cf352fa50a91a0b6d6241dbcded0a9957969e2c0665cf9a7011b3880"

_CROP_PX = 256
_THRESHOLD = 0.52  # the package's
_INDEPENDENT = 20 / BITS  # as few as make unmarked clips' p-values uniform or larger
_AGREEING = 31
_ONE_PICTURE = 2.0  # levels of 255 by which two crops differ: of one picture the network says one thing

Answers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Look:
    """What the network answers to two crops of a frame, and the chance of answers so alike without a mark."""

    first: Answers
    last: Answers
    p_value: float


def read_riva_gan(rgb: NDArray[np.uint8], decoder: Path | None = None) -> ThirdPartyMark | None:
    """The rivaGan mark of a frame, uint8[H, W, 3] at the size at which it was published; about a second.

    Two crops at the ends of the longer side are read. `decoder`: the network's file, else the package's.
    Raises `ModelUnavailable`.
    """
    seen = look(rgb, decoder)
    if seen is None or seen.p_value >= FALSE_ALARM:
        return None
    bits = bits_of((seen.first + seen.last) / 2)
    agreeing = int((bits_of(seen.first) == bits_of(seen.last)).sum())
    is_readable = agreeing >= _AGREEING
    return ThirdPartyMark(
        method="rivaGan",
        payload_hex=np.packbits(bits).tobytes().hex(),
        length=BITS,
        p_value=seen.p_value,
        state="marked" if is_readable else "present_unreadable",
        readings=readings(bits) if is_readable else {},
    )


def look(rgb: NDArray[np.uint8], decoder: Path | None = None) -> Look | None:
    """As `read_riva_gan`, without a verdict; None where the frame is too small, or both its ends are one picture."""
    network = load_decoder(decoder or packaged_decoder())
    if rgb.shape[0] * rgb.shape[1] < MIN_AREA:
        return None
    first, last = _ends(rgb)
    if np.abs(first.astype(np.int16) - last).mean() < _ONE_PICTURE:
        return None
    at_first, at_last = answers(network, first), answers(network, last)
    own = (at_first - answers(network, first[:, ::-1]), at_last - answers(network, last[:, ::-1]))
    p_value, _ = correlation_test(*own, _INDEPENDENT)
    return Look(at_first, at_last, p_value)


def answers(network: Any, rgb: NDArray[np.uint8]) -> Answers:
    """The network's 32 numbers for a picture uint8[H, W, 3] of any size."""
    bgr = np.ascontiguousarray(rgb[..., ::-1]).astype(np.float32) / np.float32(127.5) - np.float32(1)
    (found,) = network.run(None, {"frame": np.ascontiguousarray(bgr.transpose(2, 0, 1)[None, :, None])})
    return np.asarray(found[0], dtype=np.float64)


def bits_of(answer: Answers) -> Bits:
    """The package's bits of the network's answer."""
    bits: Bits = answer.astype(np.float32) > _THRESHOLD
    return bits


def packaged_decoder() -> Path:
    """Where the package has its network; raises `ModelUnavailable` without the package."""
    found = find_spec("imwatermark")
    if found is None or not found.submodule_search_locations:
        raise ModelUnavailable(
            "rivaGan's network is not installed", hint="Install invisible-watermark, which has it inside."
        )
    return Path(found.submodule_search_locations[0]) / "rivagan_decoder.onnx"


@lru_cache(maxsize=1)
def load_decoder(path: Path) -> Any:
    """The network as an ONNX session; raises `ModelUnavailable`."""
    hint = "Reinstall invisible-watermark 0.2."
    try:
        weights = path.read_bytes()
    except OSError as error:
        raise ModelUnavailable(
            f"rivaGan's network {path.name} cannot be read: {error.strerror or error}", hint=hint
        ) from error
    found = hashlib.sha256(weights).hexdigest()
    if found != DECODER_SHA256:
        raise ModelUnavailable(
            f"{path.name} has SHA-256 {found[:12]}, rivaGan's network has {DECODER_SHA256[:12]}", hint=hint
        )
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelUnavailable("onnxruntime is not installed", hint="Install onnxruntime.") from error

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # errors only: its warnings on CPU features go to stderr
    return onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])


def _ends(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Two square crops that do not overlap."""
    long, short = max(rgb.shape[:2]), min(rgb.shape[:2])
    side = min(_CROP_PX, short, long // 2)
    along = rgb if rgb.shape[1] == long else rgb.transpose(1, 0, 2)
    top = (short - side) // 2
    first, last = along[top : top + side, :side], along[top : top + side, long - side :]
    if along is not rgb:
        first, last = first.transpose(1, 0, 2), last.transpose(1, 0, 2)
    return first, last
