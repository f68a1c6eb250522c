"""headway.yaml to frozen dataclasses; unknown keys refused with file:line:column."""
