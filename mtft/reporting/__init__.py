"""The human-readable result: an offline HTML page and Markdown, made from `results.json` as plain data."""

from mtft.reporting.results import Results, read_results
from mtft.reporting.write import write_report

__all__ = ["Results", "read_results", "write_report"]
