"""GANGS: the life of one gang with a PodGroup, from its first pod to its last.

Belongs here: its states, its record and the writes to it, its binds, its words, what becomes of it when pods are lost.
Does not belong here: which places it gets (`scheduler.core.decide`), and how others leave for it (`..leaving`).
"""
