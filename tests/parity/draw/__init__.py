"""Worlds from a seed: one module per family of rules, each of which equips the cluster and lets pods ask for things.

What is drawn is valid for the API server, rich, and seldom hopeless: a pod asks for few things at once, so that its
feasible nodes are rarely none and rarely all. The same seed and the same rules give the same world.
"""
