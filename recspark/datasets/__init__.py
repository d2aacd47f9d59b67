"""How a data set is written whole, described, locked and opened again."""
