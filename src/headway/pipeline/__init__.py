"""Pipelines in GitHub Actions syntax. Pure.

What files say (syntax), what starts them (trigger), which job is next (run), what a step means
(step), which caches stand (cache), what actions of others are pinned to (lock).
"""
