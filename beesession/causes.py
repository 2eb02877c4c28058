"""What an error came of."""

from __future__ import annotations

import sys
from collections.abc import Iterator


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Go through an error and those that it came of. Its ``except`` block must have been left."""
    # At the end of the chain stands what our caller was handling when it called us, which has to do with its work only.
    outer = sys.exc_info()[1]
    while error is not None and error is not outer:
        yield error
        error = error.__cause__ or error.__context__
