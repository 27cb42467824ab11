"""What laws on labelling ask of one clip, and how far it meets that. This is not legal advice."""

from provenance.law.checks import CHECKS, Finding, Status
from provenance.law.duties import Duty, Law, LawCode, Source, load_law
from provenance.law.evidence import ClipEvidence, gather
from provenance.law.report import NOT_ADVICE, Answer, Report, assess, to_html, to_markdown

__all__ = [
    "CHECKS",
    "NOT_ADVICE",
    "Answer",
    "ClipEvidence",
    "Duty",
    "Finding",
    "Law",
    "LawCode",
    "Report",
    "Source",
    "Status",
    "assess",
    "gather",
    "load_law",
    "to_html",
    "to_markdown",
]
