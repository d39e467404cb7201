"""The demonstration: a day of a GPU fleet in less than a minute, on a real control plane.

    python -m demo            (with kwok-clusters on the module path; `make demo` sees to it)

What belongs here: a workload, the course of the show, what is shown meanwhile, and the judgement at the end, which
rests on nothing but what the API server says. What does not: anything of the scheduler but its command line; it runs
as a separate process with the rights that the manifests give it.
Who may import it: its own tests. It uses ``testbed`` and ``auditor``.

Inside, each line imports only what stands below it:

    __main__ > course > report > screen > results > observer | workload | process
"""
