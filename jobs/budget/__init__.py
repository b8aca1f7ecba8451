"""Budget: how many pages people want sets how strong an incident must be to page."""

from jobs.budget.evidence import evidence_of, surprise_of_score
from jobs.budget.ledger import BudgetState
from jobs.budget.rules import BudgetRules, read_rules

__all__ = ["BudgetRules", "BudgetState", "evidence_of", "read_rules", "surprise_of_score"]
