"""What else a user would run on the same topic: pure Flink SQL, row-wise PyFlink, the OpenTelemetry Collector."""
