"""One declaration per record; Arrow, Flink and ClickHouse forms derive from it."""
