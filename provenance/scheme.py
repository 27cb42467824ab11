"""The name of the mark's scheme, as C2PA soft bindings and the ledger have it."""

from typing import Final

SCHEME: Final = "org.clipproof.mark.v2"
