"""Places results go to; each module registers itself, see `connectors.uris`."""
