"""Model files: safe reading and writing, settings, presets."""
