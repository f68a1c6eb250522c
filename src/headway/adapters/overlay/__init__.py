"""A view of this machine in which nothing can be changed: overlay and network namespaces."""
