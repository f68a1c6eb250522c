"""Jobs as processes of this Linux machine: runner (the port), sandboxes, actions, services."""
