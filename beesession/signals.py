"""Signals of a session's life. Sessions are named by the fingerprint of their id, never by the id.

The sender is the SessionStore class. Receivers are called after the store has been changed.
"""

from __future__ import annotations

from django.dispatch import Signal

session_created = Signal()
"""A record was stored under a new id. Arguments: ``fingerprint``."""

session_rotated = Signal()
"""A session got a new id, and the old one opens nothing any more. Arguments: ``old_fingerprint``, ``fingerprint``."""

session_ended = Signal()
"""A session was deleted. Arguments: ``fingerprint``."""

session_conflict = Signal()
"""A save met another request's change. Arguments: ``fingerprint``, ``merged`` (False: SessionConflict was raised)."""
