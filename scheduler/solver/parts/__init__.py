"""PARTS: problems too large for one model: pools of equal nodes, prices, a bound from them, trades between domains."""
