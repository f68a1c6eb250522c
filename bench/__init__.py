"""Benchmarks: figures on real parts, each in a process of its own. Run by `scripts/bench`."""
