"""Where alerting keeps its log, its state and its messages: SQLite by default."""
