"""The spacetime canvas: what lies on it, as pixels, as a latent, as sound and as a thumbnail."""
