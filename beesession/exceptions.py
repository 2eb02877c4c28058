"""Every error that beesession raises on purpose.

``Unavailable`` lives in :mod:`beesession.provider`, beside the contract that promises it. Configuration
errors are Django's :class:`~django.core.exceptions.ImproperlyConfigured`.

No message of these errors carries a session id or session data.
"""

from __future__ import annotations

from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted


class BeeSessionError(Exception):
    """The root of beesession's own errors."""


class SessionGone(BeeSessionError, UpdateError, SessionInterrupted):
    """The session was ended, or passed to another user, while this request held it.

    Raised by ``save()`` and ``cycle_key()``. It is Django's ``UpdateError`` for code that catches that,
    and a ``BadRequest`` for the handler, which answers 400 wherever it was raised.
    """

    def __init__(self, message: str = "The session was ended while this request was using it.") -> None:
        super().__init__(message)


class SessionConflict(BeeSessionError, SessionInterrupted):
    """Two requests changed one session in ways that must not be merged. Nothing was written.

    Raised by ``save()`` and ``cycle_key()``; the handler answers 400.
    """


class SessionTooLarge(BeeSessionError):
    """The encoded session does not fit what the engine can store. Nothing was written.

    :ivar size: bytes that would have to be stored
    :ivar limit: bytes that the engine can store
    """

    def __init__(self, message: str, *, size: int, limit: int) -> None:
        super().__init__(message)
        self.size = size
        self.limit = limit


class EncodeError(BeeSessionError, TypeError):
    """A value of the session cannot be serialised. Nothing was written.

    A ``TypeError``, too, since that is what Django's own engines raise here.

    :ivar key: the session key (not the session id) that holds the value, or None when no single key is to blame
    """

    def __init__(self, message: str, *, key: object = None) -> None:
        super().__init__(message)
        self.key = key


class DecodeError(BeeSessionError):
    """A stored record is not what the codec writes: damaged, tampered with, or of another codec."""
