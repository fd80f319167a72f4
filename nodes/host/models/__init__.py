"""Our networks as the host's MODEL, VAE and CLIP."""
