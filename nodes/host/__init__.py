"""Everything the pack asks of ComfyUI; nothing outside of this folder imports the host."""
