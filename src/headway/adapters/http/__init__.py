"""Questions asked over HTTP."""
