"""The judge of live traffic. Pure."""
