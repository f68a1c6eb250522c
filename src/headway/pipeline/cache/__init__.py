"""What `actions/cache` means: which entry matches, who may read and write where, what goes first.

Pure. Called by the cache actions (adapters/linux/actions) and the store (adapters/disk).
"""
