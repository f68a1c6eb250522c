"""The artifact: digests, manifests, provenance, admission. Pure."""
