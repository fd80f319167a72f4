"""Everything that uses ComfyUI; nothing outside this folder imports the host."""
