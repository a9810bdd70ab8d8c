"""How good detection is on public corpora, and what it costs: `python -m benchmarks.quality`."""
