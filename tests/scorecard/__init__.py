"""Scorecards: what is claimed against what is achieved, printed; run by hand, not in the suite."""
