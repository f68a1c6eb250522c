"""Strict YAML 1.2 documents with positions. Pure."""
