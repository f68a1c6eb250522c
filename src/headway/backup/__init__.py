"""A copy of the whole installation in one file, and an installation out of such a file.

The form is told in docs/how-to/backup.md. Called by cli/backup.py, cli/restore.py.
"""
