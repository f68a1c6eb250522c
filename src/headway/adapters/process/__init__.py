"""Jobs as processes of this machine: runner (the port), sandbox and agent (who survives what)."""
