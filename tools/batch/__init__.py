"""Runs a workflow once for each job of a table, on a ComfyUI server or a Ray cluster."""
