"""Scoring: the SQL of `sql/flink`, read, checked, planned and joined to the stream."""
