"""The process that starts sandboxes: small, single-threaded, standard library only.

One per runner. `main` forks an agent (`agent`) per job into namespaces of its own (`namespaces`),
so that a job costs a fork and no start of an interpreter. `processes` finds and ends processes.
"""
