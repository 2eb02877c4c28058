"""The demo site: one place to try what a session can do, on any engine."""
