"""Worlds in which many take at once."""
