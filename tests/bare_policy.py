"""The shipped taxonomy without its learned layers and exceptions, which need files and lists of their own."""

import yaml

from generator.safety.policy import shipped_sources


def bare_taxonomy() -> bytes:
    """A `policy.yaml` that stands alone."""
    written = yaml.safe_load(shipped_sources()["policy.yaml"])
    for part in ("learned", "exceptions"):
        written.pop(part, None)
    for code in written["codes"].values():
        code.pop("review_from", None)
        code.pop("block_from", None)
    return yaml.safe_dump(written, allow_unicode=True, sort_keys=False).encode()
