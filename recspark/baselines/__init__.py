"""Models that Spark fits by itself: bias, cosine_user, als."""
