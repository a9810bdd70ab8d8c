"""One module for each kind of store, with `SCHEMES`, `Settings` and `create(address, settings)`."""
