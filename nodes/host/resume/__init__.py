"""Long videos segment by segment, cached in the output folder."""
