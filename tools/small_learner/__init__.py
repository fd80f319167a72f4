"""A video model that learns in seconds, for comparing ways of training at equal compute."""
