"""One page about a run: what ran, how good the models are, and what they recommend."""
