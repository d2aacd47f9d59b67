"""One page about a run: what was done, how good it is, and what people would get."""
