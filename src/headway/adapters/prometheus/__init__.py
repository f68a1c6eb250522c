"""Prometheus over its HTTP API."""
