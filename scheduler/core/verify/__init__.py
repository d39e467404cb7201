"""VERIFY: a decision checked against the newest facts before it is committed, sharing no code with what made it."""
