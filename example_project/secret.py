"""The secret key of a site that starts from a fresh clone: drawn once, then kept in a file."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from django.core.management.utils import get_random_secret_key


def secret_key(path: Path) -> str:
    """Return the key in ``path``; at the first start draw one and keep it there, readable by the owner only."""
    if not path.exists():
        handle, draft = tempfile.mkstemp(dir=path.parent)  # made with mode 0600
        with os.fdopen(handle, "w") as file:
            file.write(get_random_secret_key())
        try:
            # Two processes may start at once: whole, and only if nobody was first.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            os.unlink(draft)
    return path.read_text()
