"""Rows as an audit makes them, without the clips."""

import base64
import io
from typing import Any

import numpy as np
from PIL import Image


def still(seed: int = 0, side: int = 128) -> str:
    """A small JPEG in base64, with as many bytes as one of a natural picture has."""
    rng = np.random.default_rng(seed)
    grain = rng.normal(0, 12, (side, side, 3))
    ramp = np.linspace(40, 200, side)[:, None, None]
    out = io.BytesIO()
    Image.fromarray(np.clip(ramp + grain, 0, 255).astype(np.uint8)).save(out, "JPEG", quality=70)
    return base64.b64encode(out.getvalue()).decode()


def segment(start_s: float, p_ai: float, note: str = "") -> dict[str, Any]:
    return {
        "start_s": start_s,
        "end_s": start_s + 2.0,
        "p_ai": p_ai,
        "verdict": verdict(p_ai),
        "note": note,
    }


def verdict(p_ai: float) -> str:
    return "likely_ai" if p_ai > 0.8 else "likely_camera" if p_ai < 0.2 else "inconclusive"


def judged(path: str, p_ai: float = 0.5, segments: int = 3, **more: Any) -> dict[str, Any]:
    """The row of a clip with a verdict."""
    evidence = [
        {"kind": "looked_at", "text": f"{segments} windows of 2 s"},
        {"kind": "reason", "text": "edges and grain lean to AI (+0.42)"},
        {"kind": "missing", "text": "sound is not looked at here"},
    ]
    return {
        "path": path,
        "verdict": verdict(p_ai),
        "p_ai": p_ai,
        "segments": [segment(float(i), p_ai) for i in range(segments)],
        "error": None,
        "provenance": "unsigned",
        "clip_id": None,
        "signer": None,
        "ood_score": 0.5,
        "evidence": evidence,
        "head_id": "temporal-v1",
    } | more


def failed(path: str, error: str) -> dict[str, Any]:
    """The row of a file that could not be examined."""
    empty = dict.fromkeys(("verdict", "p_ai", "provenance", "clip_id", "signer", "ood_score", "head_id"))
    return {"path": path, **empty, "segments": [], "evidence": [], "error": error}
