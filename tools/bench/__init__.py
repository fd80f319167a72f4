"""Speed, measured against named peers on the same weights; `python -m tools.bench` runs it."""
