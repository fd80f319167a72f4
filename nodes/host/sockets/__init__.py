"""Inputs from other nodes, checked and converted to one form before a node runs."""
