"""Lists of the best movies for each user, and of similar movies for each movie."""
