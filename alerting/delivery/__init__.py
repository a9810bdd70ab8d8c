"""Brings messages to receivers: attempts, back-off, breakers; a dead receiver costs no other."""
