"""Jobs on disk that resume after a restart."""
