"""How one job's steps go, without doing them: order, conditions, environment, commands, masks.

Pure. Called by the adapters that run jobs (adapters/linux).
"""
