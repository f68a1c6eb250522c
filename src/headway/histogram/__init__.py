"""Latency histograms on fixed bounds. Pure."""
