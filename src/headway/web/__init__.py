"""The pages people live in: each is one read model and one template, and works without scripts."""
