"""Which waiting job a pool's next free place goes to. Pure; called by store/pool_claims."""
