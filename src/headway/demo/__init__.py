"""The demo: a shop to deliver and users who count what they lose. Called by `headway demo`.

`repository` writes the shop's git repository in three versions; `users` is the open-loop load, a
process of its own. Nothing here reaches into the rest of Headway: the demo takes the same way as
everybody else.
"""
