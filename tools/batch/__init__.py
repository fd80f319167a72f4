"""The parts of tools/batch.py: what to run, what has run, and where it runs."""
