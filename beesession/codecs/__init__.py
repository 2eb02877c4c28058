"""How session data becomes the bytes of a record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured

from beesession.codecs.gob import Limits
from beesession.codecs.gobcodec import GobCodec
from beesession.codecs.json import JSONCodec, PlainJSONCodec

if TYPE_CHECKING:
    from beesession.codecs.base import Codec
    from beesession.conf import Options
    from beesession.provider import Capabilities


def codec_for(options: Options, capabilities: Capabilities) -> Codec:
    """Return the codec that these options ask for on an engine with these capabilities.

    A self-contained engine seals the record itself, so a signature inside would only take up room.
    """
    if options.codec == "gob":
        if options.encryption_keys:
            raise ImproperlyConfigured(
                f"{options.source}['ENCRYPTION_KEYS'] must be empty with CODEC 'gob': beego could not read the "
                "sessions, and they are not to be stored in the clear where encryption was asked for."
            )
        return GobCodec(Limits(**options.gob_limits))
    if capabilities.self_contained:
        return PlainJSONCodec()
    if options.encryption_keys:
        from beesession.codecs.seal import at_rest  # needs the extra "crypto"

        return at_rest(PlainJSONCodec(), tuple(options.encryption_keys))
    return JSONCodec()
