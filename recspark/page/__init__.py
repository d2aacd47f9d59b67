"""Pages that open offline: one look, plots as inline SVG, tables of the numbers behind them."""
