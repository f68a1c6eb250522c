"""Headway's own samples as a metric source."""
