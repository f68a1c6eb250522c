"""Notices: who hears of what happened, by which channel, when, in which words. Pure.

Alerts (alert/) are trouble that somebody must take; notices tell people what they follow.
flows/notify and flows/notify_rounds act.
"""
