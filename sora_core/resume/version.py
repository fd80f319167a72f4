"""The version of the numbers that sampling computes; resume keys hang on it."""

RESULTS_VERSION = 4
"""Raise it when sampling computes other numbers from the same inputs.

Jobs that an older version began are then computed anew, and not continued with parts that do not
fit. `tests/core/resume/test_results_version.py` fails until it is raised, and says how to record
the new numbers.
"""
