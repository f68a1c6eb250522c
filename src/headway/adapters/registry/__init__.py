"""Container registries over HTTP: the OCI distribution API, read only."""
