"""A small Wan network of the host, trained on the toy world, and the edits measured on it."""
