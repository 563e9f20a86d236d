"""Zero-shot evaluation: suites, scoring engines, scorers, results."""
