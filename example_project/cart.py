"""A shopping cart: a list of dicts, kept in the session and changed in place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict


class Line(TypedDict):
    """One line of a cart, as the session keeps it."""

    good: str
    quantity: int


@dataclass(frozen=True)
class Good:
    """Something on sale.

    :ivar pence: the price of one
    """

    slug: str
    name: str
    pence: int


GOODS: Mapping[str, Good] = {
    good.slug: good
    for good in (
        Good("acacia", "Acacia honey", 650),
        Good("candle", "Beeswax candle", 420),
        Good("seeds", "Meadow seeds", 295),
    )
}


@dataclass(frozen=True)
class Row:
    """A good as the page shows it, whether or not the cart holds any."""

    good: Good
    quantity: int

    @property
    def price(self) -> str:
        return pounds(self.good.pence)


def add(lines: list[Line], slug: str) -> None:
    """Put one more of a good into the cart."""
    for line in lines:
        if line["good"] == slug:
            line["quantity"] += 1
            return
    lines.append({"good": slug, "quantity": 1})


def remove(lines: list[Line], slug: str) -> None:
    """Take one of a good out of the cart; when there is none, nothing happens."""
    for line in lines:
        if line["good"] == slug:
            line["quantity"] -= 1
            if not line["quantity"]:
                lines.remove(line)
            return


def rows(lines: Sequence[Line]) -> Iterator[Row]:
    """Yield each good on sale with how many of it the cart holds."""
    quantities = {line["good"]: line["quantity"] for line in lines}
    return (Row(good, quantities.get(good.slug, 0)) for good in GOODS.values())


def total(lines: Sequence[Line]) -> str:
    """Return what the cart costs, in pounds."""
    return pounds(sum(GOODS[line["good"]].pence * line["quantity"] for line in lines))


def pounds(pence: int) -> str:
    """
    >>> pounds(1070)
    '£10.70'
    """
    return f"£{pence / 100:.2f}"
