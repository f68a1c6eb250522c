"""Git: reading commits (source_host), holding repositories that are pushed to (hosting)."""
