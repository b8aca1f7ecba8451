"""The stage normalise: Kafka records become events, metric points and dead letters."""

from udfs.normalise.stage import NormaliseOut, NormaliseSettings, normalise

__all__ = ["NormaliseOut", "NormaliseSettings", "normalise"]
