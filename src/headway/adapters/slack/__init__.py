"""Slack-compatible incoming webhooks."""
