"""Any MODEL of the host, guided over a canvas."""
