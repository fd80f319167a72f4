"""What makes joins of footage and generated frames less visible; `docs/seams.md` has the table."""
