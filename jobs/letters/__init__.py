"""Dead letters: looked at, mended, sent again exactly once."""

from jobs.letters.letters import Letter, Selection, list_letters, read_letters
from jobs.letters.mend import mend
from jobs.letters.retry import RetrySummary, retry
from jobs.letters.transport import KafkaTransport, StoreTransport, Transport

__all__ = [
    "KafkaTransport",
    "Letter",
    "RetrySummary",
    "Selection",
    "StoreTransport",
    "Transport",
    "list_letters",
    "mend",
    "read_letters",
    "retry",
]
