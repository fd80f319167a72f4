"""Speed, measured against named peers on the same weights; `python tools/bench.py` runs it."""
