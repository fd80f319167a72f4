"""Sora in the open: video compression, spacetime patches, a diffusion transformer, and its world."""
