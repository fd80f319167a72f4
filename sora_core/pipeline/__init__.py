"""The whole model at work: generate, decode, caption."""
