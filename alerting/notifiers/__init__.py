"""Receivers of messages, one file each: `render` is pure, sending is the same for all of HTTP.

A new notifier is one new file with `SETTINGS` and `create(settings, link)`; see `base.Notifier`.
"""
