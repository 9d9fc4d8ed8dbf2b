"""What benchmarks/compare.py is made of; runs on the standard library alone."""
