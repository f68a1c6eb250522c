"""What `uses:` means: built-in actions, JavaScript, composite and Docker ones. Called by runner."""
