"""Tests of the structured-data room."""
