"""Small pictures of series for messages, made by exact operations: the same bytes everywhere."""
