"""Routes, one file a resource; thin: what they answer is worked out elsewhere."""
