"""SCENARIOS: a small world in one YAML file, decided by the real core, and compared with what it should become.

Belongs here: the file format, its errors with line and remedy, the translation to a `Snapshot`, the in-process run, the
comparison with ``expect`` and the printing of plans.
Does not belong here: rules of deciding (core, solver), policies as files (policyfile), clusters (kube, sim).
``app`` and tests import it. It imports core, solver and model only, and loads ortools only when a scenario is run.
"""
