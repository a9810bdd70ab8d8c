"""Numbered changes of the portal's own tables."""
