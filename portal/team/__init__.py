"""The portal over a team's stores: PostgreSQL, Kafka and Redis, each of which may be away."""
