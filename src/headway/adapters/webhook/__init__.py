"""Webhooks of anybody's: JSON, signed."""
