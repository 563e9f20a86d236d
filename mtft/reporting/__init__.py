"""The human-readable result: an offline HTML page and Markdown, made from `results.json` as plain data."""

from mtft.reporting.headline import answer
from mtft.reporting.results import Results, find_results, read_results
from mtft.reporting.write import write_report

__all__ = ["Results", "answer", "find_results", "read_results", "write_report"]
