"""What hangs behind Kafka and keeps the job's topics where people query them; see `docs/stores.md`.

`base` is the contract, `kinds/` has one file for each store, `consume` is the loop behind all of
them: Kafka is the spool, so a store that is away stalls nothing.
"""
