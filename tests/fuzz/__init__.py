"""Mutated lines of all formats: nothing may crash, hang or be lost."""
