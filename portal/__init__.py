"""The page and the API of a person on call. No logic of its own: services of other rooms, shown."""
