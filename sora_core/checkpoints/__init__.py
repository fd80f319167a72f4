"""Model files: checked reading, atomic writing, settings and presets."""
