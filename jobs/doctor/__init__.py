"""What a source of logs gives, what is missing in it, and what to change where it comes from."""

from jobs.doctor.advice import ADVICE, Advice, advice_for
from jobs.doctor.examine import NEEDS, Diagnosis, FormatFound, Need, examine
from jobs.doctor.sample import read_sample

__all__ = ["ADVICE", "NEEDS", "Advice", "Diagnosis", "FormatFound", "Need", "advice_for", "examine", "read_sample"]
