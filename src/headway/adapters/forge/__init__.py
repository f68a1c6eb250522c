"""Forges over HTTP: GitHub, GitLab, Gitea and Forgejo."""
