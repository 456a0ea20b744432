"""Numbers that come from another number: in another unit, or with a difference."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from ...patterns import pattern

NUMBER = pattern(r"-?[0-9]{1,15}")
_QUANTITY = pattern(r"([0-9]+)(Ki|Mi|Gi|Ti|k|M|G|T)")
_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_FACTORS = frozenset(Fraction(1) * base**power for base in (1000, 1024) for power in (-3, -2, -1, 1, 2, 3))
"""Factors between units."""


def as_number(value: object) -> tuple[int, bool] | None:
    """A number, and whether it is written as a quantity."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value, False
    if isinstance(value, str):
        if NUMBER.fullmatch(value):
            return int(value), False
        if found := _QUANTITY.fullmatch(value):
            return int(found[1]) * _UNITS[found[2]], True
    return None


def line(given: Mapping[int, int], wanted: Mapping[int, int]) -> tuple[Fraction, int] | None:
    """The factor and the difference that turn all given numbers into the wanted ones."""
    numbers = list(wanted)
    first = numbers[0]
    other = next((number for number in numbers if given[number] != given[first]), None)
    if other is None:
        factor = Fraction(wanted[first], given[first] or 1)
        is_unit = factor in _FACTORS and len(set(wanted.values())) == 1
        return (factor, 0) if is_unit and given[first] else None
    factor = Fraction(wanted[other] - wanted[first], given[other] - given[first])
    difference = wanted[first] - factor * given[first]
    if factor <= 0 or difference.denominator != 1 or (factor.denominator != 1 and factor.numerator != 1):
        return None
    if len(numbers) < 3 and factor != 1 and difference != 0:
        return None
    if all(factor * given[number] + difference == wanted[number] for number in numbers):
        return factor, int(difference)
    return None


def calculated(start: str, factor: Fraction, difference: int) -> str:
    found = start
    if factor.numerator != 1:
        found += f" * {factor.numerator}"
    elif factor.denominator != 1:
        found += f" / {factor.denominator}"
    return found + (f" + {difference}" if difference > 0 else f" - {-difference}" if difference else "")
