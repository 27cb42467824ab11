"""The report of an audit: its rows as JSON, CSV and Parquet, and one page for people.

`write_report(folder, rows, head_card=…)` writes all four, `write_rows(target, rows)` one file of rows,
`drift_report(before, after)` compares two audits; `read_rows` reads the earlier one.
"""

from flows.reporting.drift import drift_report
from flows.reporting.report import card_of, write_report
from flows.reporting.rows import NotAReport, Row, read_rows, write_rows

__all__ = ["NotAReport", "Row", "card_of", "drift_report", "read_rows", "write_report", "write_rows"]
