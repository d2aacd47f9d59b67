"""Raw text to the ratings, movies and rejects data sets."""
