"""Several models' predictions to one, by weights that the valid ratings decide."""
