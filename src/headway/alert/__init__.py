"""Alerts: who must know of what, how urgently, and when it is over. Pure; flows/alerting acts."""
