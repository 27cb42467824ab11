"""How sure: reading pilot and payload under a pose, and bounds on being wrong.

For who has no key, the cells' signs are independent of any picture a: z = Σ sᵢaᵢ / ‖a‖ then obeys P(z ≥ t)
≤ exp(-t²/2) whatever the picture (Hoeffding 1963), so the false-positive bounds need no model of video.
Poses, and the weights with which luma and chroma are added, are chosen by the pilot cells alone. The
payload's cells have signs of their own, so the payload's bound counts only payloads and attempts, however
much was tried before. The pilot's bound counts every pose, and luma, chroma and their sum as three tests.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import exp, log

import numpy as np
from numpy.typing import NDArray

from provenance.watermark import ecc
from provenance.watermark.carrier import Carrier, Points
from provenance.watermark.pose import IDENTITY, Pose, sample
from provenance.watermark.response import Response

FALSE_ALARM = 1e-6
LOG_PAYLOADS = ecc.PAYLOAD_BITS * log(2)

_PILOT_TESTS = 3
HOPELESS = 3.0  # of the pilot: a payload that can be proven has more than twice that

Signal = NDArray[np.float32]


def log_tail(z: float) -> float:
    """ln of the bound on P(Z ≥ z) for one hypothesis fixed beforehand."""
    return -0.5 * max(0.0, z) ** 2


def probability(log_p: float) -> float:
    """exp(log_p), at most 1."""
    return exp(min(0.0, log_p))


@dataclass(frozen=True, eq=False)
class Cells:
    """One layer's canvas as lists: positions, signs and coded bits; pilot and payload apart."""

    pilot: Points
    pilot_signs: Signal
    data: Points
    data_signs: Signal
    data_bits: NDArray[np.int32]


@lru_cache(maxsize=16)
def cells(carrier: Carrier) -> tuple[Cells, ...]:
    """The cells of a carrier's layers."""
    found = []
    for layer in carrier.layers:
        places, pilot = layer.places, layer.is_pilot
        found.append(
            Cells(
                places[pilot],
                layer.signs[pilot],
                places[~pilot],
                layer.signs[~pilot],
                layer.coded_bit[~pilot],
            )
        )
    return tuple(found)


def pilot_chips(response: Response, pose: Pose, layout: tuple[Cells, ...]) -> list[Signal]:
    """For each layer the pilot's samples times their signs; where there is a mark their mean is positive."""
    return [
        sample(response, index, pose, layer.pilot) * layer.pilot_signs for index, layer in enumerate(layout)
    ]


def data_chips(response: Response, pose: Pose, layout: tuple[Cells, ...]) -> list[Signal]:
    """For each layer the payload cells' samples times their signs."""
    return [
        sample(response, index, pose, layer.data) * layer.data_signs for index, layer in enumerate(layout)
    ]


def correlation(chips: Signal) -> float:
    """Σ chips in standard deviations of what chance gives."""
    energy = float(chips @ chips)
    return float(chips.sum()) / energy**0.5 if energy > 0 else 0.0


def pilot_z(chips: list[Signal]) -> float:
    """The highest of the layers' correlations and of their sum's, each layer at equal power."""
    even = [one / float(one @ one) ** 0.5 for one in chips if one.any()]
    return max([correlation(one) for one in [*chips, np.concatenate(even)]] if even else [0.0])


def weights(chips: list[Signal]) -> list[float]:
    """What a sample of each layer is worth: amplitude over noise power, as the pilot shows it. Where it shows
    nothing (it may have been taken out: it is the same in all clips of a key) every layer has equal power.
    """
    inside = [one[one != 0] for one in chips]
    spreads = [float(one.var()) if len(one) else 0.0 for one in inside]
    if pilot_z(chips) < HOPELESS:
        return [spread**-0.5 if spread > 0 else 0.0 for spread in spreads]
    return [
        max(0.0, float(one.mean())) / spread if spread > 0 else 0.0
        for one, spread in zip(inside, spreads, strict=True)
    ]


def soft_bits(chips: list[Signal], worth: list[float], layout: tuple[Cells, ...]) -> Signal:
    """float32[ecc.CODED_BITS] of the layers' payload chips; positive for bit 0."""
    sums = [
        np.bincount(layer.data_bits, one, ecc.CODED_BITS) * weight
        for one, weight, layer in zip(chips, worth, layout, strict=True)
    ]
    total: Signal = np.sum(sums, axis=0).astype(np.float32)
    return total


def payload_z(chips: list[Signal], worth: list[float], layout: tuple[Cells, ...], payload: int) -> float:
    """Correlation of the payload cells with a payload, in standard deviations of what chance gives."""
    power = sum(weight**2 * float(one @ one) for one, weight in zip(chips, worth, strict=True))
    return float(soft_bits(chips, worth, layout) @ ecc.encode(payload)) / power**0.5 if power > 0 else 0.0


def known_z(
    response: Response, pose: Pose, layout: tuple[Cells, ...], payload: int, *, luma_alone: bool = False
) -> float:
    """`payload_z` of a payload that is known: how safely a mark is read."""
    luma, *others = weights(pilot_chips(response, pose, layout))
    worth = [luma, *(0.0 if luma_alone else one for one in others)]
    return payload_z(data_chips(response, pose, layout), worth, layout, payload)


@dataclass(frozen=True)
class Finding:
    """What one pose gives. `payload` is None where the CRC fails. Both log_p are natural logarithms of
    bounds.
    """

    pose: Pose
    pilot_z: float
    data_z: float
    payload: int | None
    log_p_present: float
    log_p_payload: float

    @property
    def is_read(self) -> bool:
        return self.payload is not None and self.log_p_payload < log(FALSE_ALARM)

    @property
    def is_present(self) -> bool:
        return self.log_p_present < log(FALSE_ALARM) or self.is_read

    @property
    def log_p(self) -> float:
        return min(0.0, self.log_p_present, self.log_p_payload if self.payload is not None else 0.0)


def read(
    response: Response, pose: Pose, layout: tuple[Cells, ...], *, log_poses: float, log_attempts: float
) -> Finding:
    """Pilot and payload under a pose.

    log_poses: ln of the number of poses that the pilot's bound has to answer for; log_attempts: ln of the
    number of payload readings. Either includes its share of the false-alarm budget.
    """
    pilot = pilot_chips(response, pose, layout)
    height = pilot_z(pilot)
    log_present = log(_PILOT_TESTS) + log_poses + log_tail(height)
    if height < HOPELESS and pose != IDENTITY:
        return Finding(pose, height, 0.0, None, log_present, 0.0)
    worth = weights(pilot)
    data = data_chips(response, pose, layout)
    soft = soft_bits(data, worth, layout)
    (payload,) = ecc.decode(soft[None])
    if payload is None:
        return Finding(pose, height, 0.0, None, log_present, 0.0)
    data_z = payload_z(data, worth, layout, payload)
    log_payload = log_attempts + LOG_PAYLOADS + log_tail(data_z)
    return Finding(pose, height, data_z, payload, log_present, log_payload)
