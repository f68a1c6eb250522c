"""How users are moved: the state machine and its plan. Pure."""
