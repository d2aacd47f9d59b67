"""The search for better settings of a model: spaces, trials, worker processes and the page."""
