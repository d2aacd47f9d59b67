"""Arithmetic on arrays that several stages share."""
