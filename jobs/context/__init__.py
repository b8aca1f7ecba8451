"""What events carry beyond their line, as the user set it: knobs, `catalogue.sql`, `routes.sql` and the key of pseudonyms."""

from jobs.context.settings import read_context

__all__ = ["read_context"]
