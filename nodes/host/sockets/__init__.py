"""What other nodes connect to ours, checked and brought to one form before a node runs."""
