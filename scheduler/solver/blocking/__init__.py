"""BLOCKING: the sure no: whether one gang could be placed even alone, and what with numbers stands in its way."""
