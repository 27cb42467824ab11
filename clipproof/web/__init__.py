"""The HTTP front. Imports FastAPI: only `clipproof serve` and its tests come here."""
