"""Many configurations over one recording: read once, windowed once, scored many times.

    recording -> window setting x sources -> tables of features -> every configuration -> alerts
              -> measures -> table, CSV, page, the best configuration

It needs no Beam: the machines of `transforms/` are pure, so the alerts of a configuration are
those of `padit replay`, to the byte.
"""
