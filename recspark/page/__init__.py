"""Pages that open offline: a common style, plots as inline SVG, and tables of their numbers."""
