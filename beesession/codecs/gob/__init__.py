"""Go's gob, as beego's sessions use it. Pure Python; imports no Django.

>>> stream = dumps({"user": "asta", "visits": 1, "cart": ["tea", 2.5]})
>>> loads(stream)
{'user': 'asta', 'visits': 1, 'cart': ['tea', 2.5]}

Types survive a round trip: what Go has stored as ``int64`` comes as :class:`Int64` and is written back as ``int64``;
so do ``[]string`` (``Slice.of("[]string")``), ``map[string]int`` (``Map.of("map[string]int")``), structs (your
dataclass, see :func:`register`; else :class:`Opaque`) and pointers to them.
"""

from beesession.codecs.gob.decoder import load_all, loads
from beesession.codecs.gob.encoder import dump_value, dumps
from beesession.codecs.gob.errors import GobError, Limits, UnencodableError
from beesession.codecs.gob.naming import go_type
from beesession.codecs.gob.registry import register, register_encoded
from beesession.codecs.gob.standard import IP, URL, Addr, BigInt, Duration
from beesession.codecs.gob.times import Time
from beesession.codecs.gob.types import BlobType
from beesession.codecs.gob.values import (
    Complex64,
    Fields,
    Float32,
    Int8,
    Int16,
    Int32,
    Int64,
    Integer,
    Key,
    Map,
    Opaque,
    Slice,
    Uint,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Uintptr,
)

__all__ = [
    "IP",
    "URL",
    "Addr",
    "BigInt",
    "BlobType",
    "Complex64",
    "Duration",
    "Fields",
    "Float32",
    "GobError",
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "Integer",
    "Key",
    "Limits",
    "Map",
    "Opaque",
    "Slice",
    "Time",
    "Uint",
    "Uint8",
    "Uint16",
    "Uint32",
    "Uint64",
    "Uintptr",
    "UnencodableError",
    "dump_value",
    "dumps",
    "go_type",
    "load_all",
    "loads",
    "register",
    "register_encoded",
]
