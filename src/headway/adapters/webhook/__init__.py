"""Alerts by HTTP POST: anybody's webhook, Slack-compatible ones, an Alertmanager."""
