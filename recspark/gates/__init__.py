"""Whether a run may be used: compares its data and its model with the last accepted run."""
