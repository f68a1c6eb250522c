"""Arithmetic on samples: increases of counters, means of gauges, whose series is whose. Pure."""
