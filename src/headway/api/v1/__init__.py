"""The HTTP API under /api/v1: one file per noun, over the read models that pages and CLI use."""
