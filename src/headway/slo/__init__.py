"""Goals for users: indicators, error budgets, burn rates, and the rules made of them. Pure."""
