"""One file per page or form, each registered with the permission that it needs."""
