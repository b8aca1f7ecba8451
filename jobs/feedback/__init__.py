"""Feedback: what people said of anomalies, what follows from it, and what another SQL folder would have said."""

__all__: list[str] = []
