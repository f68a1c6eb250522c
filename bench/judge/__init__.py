"""The judge on simulated deployments, and a thousand canaries at once."""
