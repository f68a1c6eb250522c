"""Durable journeys, one file each."""
