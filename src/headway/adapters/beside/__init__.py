"""What runs beside a rollout in a process of its own: comparing answers, playing journeys."""
