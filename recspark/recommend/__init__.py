"""Top-N lists of movies for users, and of similar movies for movies."""
