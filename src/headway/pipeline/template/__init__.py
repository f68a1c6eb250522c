"""Shared workflows of a central repository: who uses which, and who copied and changed one. Pure.

`shape` brings jobs into a comparable form, `drift` finds copies and says how they differ. Called by
flows/templates.
"""
