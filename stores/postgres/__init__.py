"""The store in PostgreSQL; `kinds/postgresql.py` is its entry."""
