"""Where readings, features, anomalies and alerts are kept for queries, behind the topics.

    topic -> consumer -> writer of one store, with its offsets in the store's own transaction

One process a store (`padit store`). The topic is the spool: a store that is away stalls nothing.
"""
