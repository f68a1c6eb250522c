"""Headway: continuous delivery in one install."""

__version__ = "0.1.0"
