"""The law of machines: the same bytes whatever processor computes them."""
