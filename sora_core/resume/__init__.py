"""Jobs on disk that continue after a restart."""
