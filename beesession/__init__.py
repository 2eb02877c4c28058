"""Session engines for Django that lose no update and undo no logout, configured as beego's are.

Importing this package loads no driver and reads no settings, so that a settings module can use it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beesession.beego.registry import register

if TYPE_CHECKING:
    from beesession.beego.manager import BeegoManager

__all__ = ["BeegoManager", "__version__", "register"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name == "BeegoManager":
        from beesession.beego.manager import BeegoManager

        return BeegoManager
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
