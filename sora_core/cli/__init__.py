"""The commands of `python -m sora_core`."""
