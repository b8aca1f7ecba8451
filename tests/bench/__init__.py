"""Benchmarks that anyone can run: `make bench`. Not part of the test suite."""
