"""Sora in the open: video compression, spacetime patches, a diffusion transformer, its world."""
