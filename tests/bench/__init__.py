"""BENCHMARKS: each runs Muster and a baseline on the same machine in the same run and prints a ratio, and writes JSON.

Belongs here: one module per benchmark and what they share. Does not belong here: tests; nothing here asserts.
"""
