"""What is taken away after a while, so that the disk does not fill: see docs/how-to/retention.md.

Never: the event log, releases, what a place may go back to. Called by cli/prune.py and upkeep.py.
"""
