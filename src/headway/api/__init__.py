"""What programs call over HTTP: git, health."""
