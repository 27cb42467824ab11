"""A head fitted on numbers, for tests that need no clips."""

import numpy as np

from detector.audit import contract_here
from detector.calibration import fit_conformal, fit_platt
from detector.fitting import fit_familiarity, fit_linear
from detector.head import Head

FAMILIES = ("flicker",)


def toy_head(seed: int = 0) -> Head:
    contract = contract_here(FAMILIES, None)
    rng = np.random.default_rng(seed)
    width = len(contract.schema.names)
    is_ai = np.arange(80) % 2 == 0
    x = rng.normal(size=(80, width)) + np.where(is_ai, 0.8, -0.8)[:, None] * (np.arange(width) < 3)
    linear = fit_linear(x, is_ai, np.ones(80), contract.schema.blocks)
    scores = linear.score(x)
    groups = np.array([f"g{k % 7}" for k in range(80)])
    return Head(
        head_id="toy",
        contract=contract,
        linear=linear,
        familiarity=fit_familiarity(linear.standardise(x), np.ones(80), groups),
        platt=fit_platt(scores, is_ai, np.ones(80)),
        conformal=fit_conformal(scores, is_ai, np.ones(80)),
        alpha=0.1,
        card={"error_rates": {}},
    )
