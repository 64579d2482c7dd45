"""The report of a comparison: one page with pictures, their files, a table and a record."""

from wavelit_plugin.compare.report.write import Report, check_report, write_report

__all__ = ["Report", "check_report", "write_report"]
