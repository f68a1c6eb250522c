"""Folders of this machine as a store: blob_store (the port), pointers, safely written files."""
