"""Measurement protocols of the O-RAN fronthaul: frames, links and responders."""
