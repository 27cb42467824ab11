"""Marks that other generators leave with the package `invisible-watermark`: dwtDct and dwtDctSvd.

Both hide bits in the U plane: its Haar approximation is cut into 4x4 blocks, block k carries bit k mod
length, and one value of the block is moved to a quarter (0) or three quarters (1) of a step of 36. That
value is the block's largest element but the first (dwtDct, no DCT in spite of its name) or its largest
singular value (dwtDctSvd). A block so *votes* for a bit. Any crop, resize or flip puts these marks out of
reach.

The package's decoder answers with bits for any picture, so two things are added to its votes, which are
reproduced exactly. A *presence test*: votes of pictures are smooth or noise, those of a mark change from
block to block as the payload does, so each vote is compared with its neighbours' before votes are summed.
And a *threshold*: where the picture favours zeros or ones, a bit is what is above the picture's own mean.
(The package's third method is a network: `riva_gan`.)
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from provenance.watermark.evidence import FALSE_ALARM

Method = Literal["dwtDct", "dwtDctSvd", "rivaGan"]
METHODS: tuple[Method, ...] = ("dwtDct", "dwtDctSvd")  # read by voting
LENGTHS = tuple(range(32, 144, 8))
MIN_AREA = 256 * 256  # px; the package marks nothing smaller

Bits = NDArray[np.bool_]
Votes = NDArray[np.float64]  # [rows, columns] of blocks: the share of frames in which a block votes for a one

_STEP = 36.0
_BLOCK = 4
_HAAR = 0.5**0.5
_BORDER = 1e-6  # how near a decision rounding can matter: a thousand times the error of float64 here
# Differencing makes neighbouring sums depend on each other: sums of white votes count as 1 in 1.69 (the sum of
# the squared autocorrelations). Rounded up, for pictures whose votes are not white.
_INDEPENDENT = 1 / 2
_AS_STRONG = 0.8  # share of the energy that two readings of one payload have in common
_ECHO = 0.5  # correlation of a picture with itself moved sideways, by _NEAR blocks or more
_NEAR = 4
_DAMAGED = 0.15  # share of bits that a known payload may have lost
_AGREEING = 0.95  # share of bits on which two halves of the picture agree
_MARGIN = 2.0  # of the least certain bit of a payload that counts as read
_DIFFERENT = 3.0  # margin of a bit that is certainly another one


def _bits(value: int, length: int) -> Bits:
    return np.array([value >> shift & 1 for shift in range(length - 1, -1, -1)], dtype=np.bool_)


def _text(text: str) -> Bits:
    return _bits(int.from_bytes(text.encode(), "big"), 8 * len(text))


KNOWN = {
    "Stable Diffusion 1": _text("StableDiffusionV1"),
    "Stable Diffusion 2": _text("SDV2"),
    "Stable Diffusion XL": _bits(0b101100111110110010010000011110111011000110011110, 48),
    # Chosen as 48 bits; its reference code turns the number into text, which drops the two leading zeros.
    "FLUX": _bits(0b1010101111111010000111100111001111010100101110, 46),
}


@dataclass(frozen=True)
class ThirdPartyMark:
    """A foreign mark that is there.

    payload_hex: the bits as read, first bit highest, right-padded to whole bytes; trust it where `state` is
    "marked". p_value: chance of finding one in an unmarked clip (all methods, lengths and known payloads
    counted). known_as: the generator whose fixed payload this is. readings: what the payload says as `text`,
    `uuid` or `ipv4`, where it can be one.
    """

    method: Method
    payload_hex: str
    length: int
    p_value: float
    state: Literal["marked", "present_unreadable"]
    known_as: str | None = None
    readings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Trial:
    """One question put to the votes: is this known payload there, or any payload of this length?

    p_value: of this question alone. energy: mean square of what the payload adds to a vote.
    """

    length: int
    p_value: float
    energy: float
    known_as: str | None = None

    @property
    def corrected(self) -> float:
        """The p-value with every question counted; half of the errors are left to known payloads."""
        kinds = len(LENGTHS) if self.known_as is None else len(KNOWN)
        return min(1.0, self.p_value * 2 * kinds * len(METHODS))


def read_third_party(rgb_frames: Iterable[NDArray[np.uint8]]) -> tuple[ThirdPartyMark, ...]:
    """The marks of `invisible-watermark` in uint8[H, W, 3] frames of one clip; four frames are enough.

    Frames at the size at which they were published: a scaled frame never shows a mark. Frames under MIN_AREA,
    or of another size than the first, are passed over.
    """
    frames = list(rgb_frames)
    found = [_mark(ones, method) for method, ones in block_votes(frames).items()]
    if any(mark is not None and mark.known_as is None for mark in found) and repeats_itself(frames[0]):
        found = [mark for mark in found if mark is not None and mark.known_as is not None]
    marks = sorted((mark for mark in found if mark is not None), key=lambda mark: mark.p_value)
    # A mark of one method shows faintly in the other's votes.
    others = (
        mark for mark in marks[1:] if mark.state == "marked" and mark.payload_hex != marks[0].payload_hex
    )
    return (*marks[:1], *others)


def block_votes(rgb_frames: Iterable[NDArray[np.uint8]]) -> dict[Method, Votes]:
    """Every block's votes by method; empty without a frame that could be marked.

    Frames of one clip look alike: they sharpen the votes, and are not counted as further evidence.
    """
    counted: list[dict[Method, Bits]] = []
    shape: tuple[int, ...] = ()
    for frame in rgb_frames:
        shape = shape or frame.shape
        if frame.shape == shape and frame.shape[0] * frame.shape[1] >= MIN_AREA:
            blocks = blocks_of(u_plane(frame))
            if blocks.size:
                counted.append({method: votes(blocks, method) for method in METHODS})
    return {method: np.mean([one[method] for one in counted], axis=0) for method in METHODS if counted}


def u_plane(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The U plane of an RGB frame cropped to multiples of four, as OpenCV's fixed-point BGR2YUV has it."""
    height, width = (side // 4 * 4 for side in rgb.shape[:2])
    red, green, blue = (rgb[:height, :width, channel].astype(np.int32) for channel in range(3))
    luma = (4899 * red + 9617 * green + 1868 * blue + 8192) >> 14
    u = ((blue - luma) * 8061 + (128 << 14) + 8192) >> 14
    return np.asarray(np.clip(u, 0, 255), dtype=np.uint8)


def blocks_of(u: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The 4x4 blocks of the Haar approximation, float64[rows, columns, 4, 4]."""
    wide = u.astype(np.float64)
    # In two passes, as a wavelet library rounds: values on the border between two bits fall to the same
    # side.
    tall = _HAAR * wide[0::2] + _HAAR * wide[1::2]
    haar = _HAAR * tall[:, 0::2] + _HAAR * tall[:, 1::2]
    rows, columns = (side // _BLOCK for side in haar.shape)
    cut = haar[: rows * _BLOCK, : columns * _BLOCK].reshape(rows, _BLOCK, columns, _BLOCK)
    return cut.transpose(0, 2, 1, 3)


def votes(blocks: NDArray[np.float64], method: Method) -> Bits:
    """Which blocks vote for a one, bool[rows, columns]; each as the package's decoder has it."""
    flat = blocks.reshape(-1, _BLOCK, _BLOCK)
    ones = _svd_votes(flat) if method == "dwtDctSvd" else _largest_element_votes(flat)
    return ones.reshape(blocks.shape[:2])


def _largest_element_votes(blocks: NDArray[np.float64]) -> Bits:
    flat = np.abs(blocks.reshape(len(blocks), -1))
    value = flat[np.arange(len(flat)), np.argmax(flat[:, 1:], axis=1) + 1]
    upper: Bits = value % _STEP > _STEP / 2
    return upper


def _svd_votes(blocks: NDArray[np.float64]) -> Bits:
    """Votes by the largest singular value, of which mostly bounds suffice.

    For a matrix G without negative elements and a positive v, min (Gv)ᵢ/vᵢ ≤ λ ≤ max (Gv)ᵢ/vᵢ (Collatz and
    Wielandt), here with G = BᵀB. The few blocks whose bounds hold a border are left to the package's way.
    """
    b = np.ascontiguousarray(blocks.transpose(1, 2, 0))
    gram = np.einsum("kin,kjn->ijn", b, b)
    v = np.einsum("ijn,jn->in", gram, gram.sum(axis=1))
    with np.errstate(invalid="ignore"):  # an all-zero block has no bounds, and stays open
        ratio = np.sqrt(np.einsum("ijn,jn->in", gram, v) / v)
        least, most = (
            np.floor((bound + margin) / (_STEP / 2))
            for bound, margin in ((ratio.min(axis=0), -_BORDER), (ratio.max(axis=0), _BORDER))
        )
        ones: Bits = least % 2 == 1
        unsure = ~(least == most)
    if unsure.any():
        ones[unsure] = _package_svd_votes(blocks[unsure])
    return ones


def _package_svd_votes(blocks: NDArray[np.float64]) -> Bits:
    """Votes by OpenCV's DCT and LAPACK: a flat block of U = 9k lies on a border, where rounding decides."""
    import cv2

    kinds, which = np.unique(blocks.reshape(-1, _BLOCK * _BLOCK), axis=0, return_inverse=True)
    transformed = np.stack([cv2.dct(kind.reshape(_BLOCK, _BLOCK)) for kind in kinds])
    value = np.linalg.svd(transformed)[1][:, 0]
    upper: Bits = value % _STEP > _STEP / 2
    return upper[which.ravel()]


def decode(ones: NDArray[Any], length: int) -> Bits:
    """The package's bits, first to last: a majority of the votes for each."""
    share, _ = _sums(ones, length)
    bits: Bits = share * 255 > 127
    return bits


def read_bits(ones: Votes, length: int) -> Bits:
    """The bits, first to last: what is above the mean of all bits. A picture that favours one value does not
    hide a payload so.
    """
    share, _ = _sums(ones, length)
    bits: Bits = share > share.mean()
    return bits


def trials(ones: Votes) -> tuple[Trial, ...]:
    """All questions that can be put to the votes.

    A known payload is correlated with the votes. For an unknown one the sums of the left and of the right
    half are correlated with each other: content is alike above and below, less so left and right. A length
    that puts a bit always into the same half cannot be judged.
    """
    busy = _differenced(ones)
    asked = []
    for name, payload in KNOWN.items():
        written = np.resize(payload.astype(np.float64), ones.shape)
        expected, _ = _sums(_differenced(written), len(payload))
        p_value, energy = correlation_test(_sums(busy, len(payload))[0], expected)
        asked.append(Trial(len(payload), p_value, energy, name))
    left, right = _halves(ones.shape)
    for length in LENGTHS:
        (one, counts), (other, other_counts) = (_sums(busy, length, half) for half in (left, right))
        if min(counts.min(), other_counts.min()) > 0:
            asked.append(Trial(length, *correlation_test(one, other)))
    return tuple(asked)


def _mark(ones: Votes, method: Method) -> ThirdPartyMark | None:
    found = sorted((one for one in trials(ones) if one.corrected < FALSE_ALARM), key=lambda one: one.p_value)
    if not found:
        return None
    p_value = min(trial.corrected for trial in found)
    for trial in found:
        if trial.known_as is not None and _is_this(KNOWN[trial.known_as], ones):
            return _described(KNOWN[trial.known_as], method, p_value, "marked", trial.known_as)
    length = _true_length(ones, [trial for trial in found if trial.known_as is None] or found[:1])
    if length is None:
        return None
    is_readable = length in LENGTHS and _is_readable(ones, length)
    state: Literal["marked", "present_unreadable"] = "marked" if is_readable else "present_unreadable"
    return _described(read_bits(ones, length), method, p_value, state)


def _true_length(ones: Votes, found: list[Trial]) -> int | None:
    """The length of a payload; None where it could as well be a picture that repeats itself.

    Lengths that have something in common with the right one show some of its energy, its multiples all of it.
    """
    best = max(found, key=lambda trial: trial.energy)
    busy = _differenced(ones)
    length = best.length
    if best.known_as is None:
        energies = {n: _energy(busy, n) for n in range(1, length + 1) if length % n == 0}
        length = min(
            n
            for n, energy in energies.items()
            if energy >= _AS_STRONG * best.energy and _repeats(ones, n, best.length)
        )
    return length if length >= LENGTHS[0] else None


def _energy(busy: Votes, length: int) -> float:
    (one, _), (other, _) = (_sums(busy, length, half) for half in _halves(busy.shape))
    return float(((one - one.mean()) * (other - other.mean())).mean())


def repeats_itself(rgb: NDArray[np.uint8]) -> bool:
    """Whether a picture shows one thing side by side, as wallpaper or a stereo pair does: its blocks then agree as
    those of a mark would. Told by brightness, which the marks leave alone.
    """
    rows, columns = (side // (2 * _BLOCK) for side in rgb.shape[:2])
    grey = rgb[: 8 * rows, : 8 * columns].mean(axis=2).reshape(rows, 8, columns, 8).mean(axis=(1, 3))
    busy = _differenced(grey)
    busy -= busy.mean(axis=1, keepdims=True)  # a horizon repeats itself too, and favours no bit
    echoes = np.fft.irfft2(
        np.abs(np.fft.rfft2(busy, s=(2 * rows, 2 * columns))) ** 2, s=(2 * rows, 2 * columns)
    )
    # Of what could be seen twice at that distance: the further away, the less.
    overlap = 1 - np.arange(columns // 2 + 1) / columns
    loudest = echoes[:, : columns // 2 + 1].max(axis=0) / overlap
    return bool(loudest[_NEAR:].max(initial=0.0) > _ECHO * max(float((busy * busy).sum()), 1e-9))


def _is_this(payload: Bits, ones: Votes) -> bool:
    """Whether a payload that is in part there, is there: texts have bits in common with each other."""
    differing = read_bits(ones, len(payload)) != payload
    certain = _margins(ones, len(payload)) > _MARGIN
    return bool(differing.mean() <= _DAMAGED and not (differing & certain).any())


def _described(
    bits: Bits,
    method: Method,
    p_value: float,
    state: Literal["marked", "present_unreadable"],
    known_as: str | None = None,
) -> ThirdPartyMark:
    payload = np.packbits(bits).tobytes()
    said = readings(bits) if state == "marked" else {}
    return ThirdPartyMark(method, payload.hex(), len(bits), p_value, state, known_as, said)


def readings(bits: Bits) -> dict[str, str]:
    """What a payload of whole bytes says: as printable text, as a UUID (128 bits), as an IPv4 address (32)."""
    payload = np.packbits(bits).tobytes()
    said = {}
    if len(bits) == 8 * len(payload):
        try:
            text = payload.decode("utf-8")
        except UnicodeDecodeError:
            text = ""
        if text.isprintable() and text:
            said["text"] = text
        if len(payload) == 16:
            said["uuid"] = str(UUID(bytes=payload))
        if len(payload) == 4:
            said["ipv4"] = ".".join(map(str, payload))
    return said


def _halves(shape: tuple[int, ...]) -> tuple[Bits, Bits]:
    right = np.zeros(shape, np.bool_)
    right[:, (shape[1] + 1) // 2 :] = True
    return ~right, right


def _sums(
    ones: NDArray[Any], length: int, part: Bits | None = None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """For each bit the mean of its blocks' votes, float64[length], 0 without a block; and how many they are."""
    at = np.arange(ones.size) % length
    weights = ones.ravel()
    if part is not None:
        at, weights = at[part.ravel()], weights[part.ravel()]
    counts = np.bincount(at, minlength=length)
    return np.bincount(at, weights, length) / np.maximum(1, counts), counts


def _differenced(ones: Votes) -> Votes:
    """Votes less the mean of their four neighbours'."""
    wide = np.pad(ones, 1, mode="edge")
    around = wide[1:-1, 2:] + wide[1:-1, :-2] + wide[2:, 1:-1] + wide[:-2, 1:-1]
    return np.asarray(ones - around / 4)


def correlation_test(
    one: NDArray[np.float64], other: NDArray[np.float64], independent: float = _INDEPENDENT
) -> tuple[float, float]:
    """One-sided p-value of Pearson's r by Student's t, this share of the pairs being independent; and the
    covariance.
    """
    one, other = one - one.mean(), other - other.mean()
    covariance = float(one @ other) / len(one)
    spread = float((one @ one) * (other @ other)) ** 0.5 / len(one)
    if spread < 1e-9 or covariance <= 0:  # no vote differs from its neighbours'; or the halves disagree
        return 1.0, max(0.0, covariance)
    freedom = len(one) * independent - 2
    r = min(covariance / spread, 1 - 1e-12)
    return float(stdtr(freedom, -r * (freedom / (1 - r * r)) ** 0.5)), covariance


def _repeats(ones: Votes, length: int, multiple: int) -> bool:
    """Whether nothing is read at the multiple but what is read at this length, over and over."""
    if multiple % length:
        return False
    repeated = np.resize(read_bits(ones, length), multiple)
    differing = (read_bits(ones, multiple) != repeated) & (_margins(ones, multiple) > _DIFFERENT)
    return not differing.any()


def _margins(ones: Votes, length: int) -> NDArray[np.float64]:
    """How far every bit is from being read otherwise, in standard deviations of fair votes."""
    share, counts = _sums(ones, length)
    return np.asarray(np.abs(share - share.mean()) * 2 * np.sqrt(counts))


def _is_readable(ones: Votes, length: int) -> bool:
    """Whether both halves of the picture read the same, no bit is doubtful, and no longer payload is there (whose
    own length could perhaps not be judged).
    """
    if not all(_repeats(ones, length, multiple) for multiple in LENGTHS if multiple % length == 0):
        return False
    sums = [_sums(ones, length, half)[0] for half in _halves(ones.shape)]
    left, right = (share > share.mean() for share in sums)
    return bool((left == right).mean() >= _AGREEING and _margins(ones, length).min() >= _MARGIN)
