"""CLEARING: room made by running work that gives way, without a model, with a bound on what it must cost."""
