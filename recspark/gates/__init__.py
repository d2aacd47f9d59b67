"""Whether a run may be used: its data and its model against the last accepted run's."""
