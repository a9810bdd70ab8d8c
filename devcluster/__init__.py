"""Local processes that PADIT runs on: a Kafka broker, Flink, Beam workers, Prism.

Everything listens on the loopback interface only and is stopped by process id. Nothing here
imports Beam, so that the command line starts quickly.
"""
