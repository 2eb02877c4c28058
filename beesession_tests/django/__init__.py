"""Django's own session tests, run on each engine."""
