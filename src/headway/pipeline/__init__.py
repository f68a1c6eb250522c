"""The workflow language and its plan. Pure."""
