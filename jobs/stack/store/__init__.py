"""The embedded store: chDB (ClickHouse in process) behind ClickHouse's HTTP protocol."""
