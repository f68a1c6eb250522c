"""Artifacts in an OCI image layout on disk (image-spec v1.1, image-layout.md)."""
