"""A plugin's schema: what each keyword-only parameter of its function accepts, read from the annotation's syntax tree.

A value comes from a suite as JSON values and `Plain` texts. What an unquoted text means is decided by what is expected
there: `8/255` is a number for a float and a text for a str, `off` a name or False.
"""

import ast
import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmark.errors import suggest

INTEGER = re.compile(r"[+-]?\d+(_\d+)*", re.ASCII)
DECIMAL = re.compile(r"[+-]?(\d+(_\d+)*\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
NOTHING = ("", "~", "null", "Null", "NULL", "None")
SCALARS = ("int", "float", "bool", "str", "dict")
PHRASES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "dict": "a mapping",
    "None": "null",
}
LISTS = {"int": "[1, 2]", "float": "[0.1, 0.2]", "str": "[a, b]"}  # what a list of each looks like
COMPARISONS = {ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge}
MOST_SHOWN = 8  # alternatives of a Literal that a message lists
UNSTATED = object()  # the default of an optional parameter whose source gives no literal for it: left to the function


class Plain(str):
    """A text that a suite holds without quotes, so that it may as well be a number, a truth value or nothing."""


@dataclass(frozen=True)
class Type:
    """What a value may be: one of the alternatives that the annotation joins with `|`.

    `scalars`: of int, float, bool, str, dict, None and any; `choices`: a Literal's; `items`: what a list may hold.
    """

    scalars: tuple[str, ...] = ()
    choices: tuple[Any, ...] = ()
    items: tuple[str, ...] = ()

    def __or__(self, other: "Type") -> "Type":
        return Type(self.scalars + other.scalars, self.choices + other.choices, self.items + other.items)

    def __str__(self) -> str:
        return self.described()

    def described(self, most: int | None = MOST_SHOWN) -> str:
        """As an annotation would say it, at most so many (None: all) alternatives of a Literal spelled out."""
        shown = [repr(choice) for choice in self.choices[:most]]
        if len(self.choices) > len(shown):
            shown.append(f"… ({len(self.choices)} names)")
        lists = [f"list[{item}]" for item in self.items]
        return " | ".join([*(s for s in self.scalars if s != "None"), *shown, *lists, *(["None"] * self.nullable)])

    @property
    def nullable(self) -> bool:
        return "None" in self.scalars

    @property
    def is_number(self) -> bool:
        return (
            bool(self.scalars + self.items)
            and set(self.scalars + self.items) <= {"int", "float", "None"}
            and not self.choices
        )

    @property
    def is_length(self) -> bool:
        return self.is_number and "float" in self.scalars + self.items

    def read(self, value: Any) -> Any:
        """The JSON value that `value` means here; ValueError with a one-line reason if it means none."""
        if "any" in self.scalars:
            return natural(value)
        if self.nullable and (value is None or (isinstance(value, Plain) and value in NOTHING)):
            return None
        for choice in self.choices:
            if str(choice) == value or (type(choice) is type(value) and choice == value):
                return choice
        if isinstance(value, list) and self.items:
            return [Type((self.items[0],)).read(item) for item in value]
        reasons = []
        for scalar in (scalar for scalar in READERS if scalar in self.scalars):
            try:
                return READERS[scalar](value)
            except ValueError as error:
                reasons.append(str(error))
        if self.choices and isinstance(value, str):
            raise ValueError(f"{value!s} is not among its choices{suggest(value, map(str, self.choices))}")
        if len(reasons) == 1 and not self.items:
            raise ValueError(reasons[0])
        form = f"; write it as {LISTS[self.items[0]]}" if self.items else ""
        raise ValueError(f"must be {self._phrase()}, not {spelled(value)}{form}")

    def _phrase(self) -> str:
        lists = [f"a list of {item} values" for item in self.items]
        return " or ".join([*(PHRASES[scalar] for scalar in self.scalars), *map(str, self.choices), *lists])


ANY = Type(("any",))


def spelled(value: Any) -> str:
    """A value as a suite would spell it, for a message."""
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, Plain):
        return str(value) if value not in NOTHING[:1] else "nothing"
    return (
        f'"{value}"' if isinstance(value, str) else {None: "null", True: "true", False: "false"}.get(value, repr(value))
    )


def boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, Plain) and value.lower() in BOOLEANS:
        return BOOLEANS[value.lower()]
    raise ValueError(f"must be true or false, not {spelled(value)}")


def integer(value: Any) -> int:
    if isinstance(value, str) and INTEGER.fullmatch(value) and len(value) < 20:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError(f"must be a whole number, not {spelled(value)}")


def number(value: Any) -> float:
    """A finite float from 0.1, .1, 1e-3, 1_000 or 8/255."""
    if isinstance(value, str):
        parts = value.replace(" ", "").split("/")
        if len(parts) > 2 or not all(DECIMAL.fullmatch(part) for part in parts):
            raise ValueError(f"must be a number such as 0.1, 1e-3 or 8/255, not {spelled(value)}")
        numerator, denominator = float(parts[0]), float(parts[-1]) if len(parts) == 2 else 1.0
        if not denominator:
            raise ValueError(f"{value!s} divides by zero")
        value = numerator / denominator
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"must be a number, not {spelled(value)}")
    if not math.isfinite(value):
        raise ValueError(f"must be a finite number, not {value}")
    return float(value)


def in_255ths(written: float, scale: float = 1.0) -> str:
    """The end of a message about a length in pixels that is too large: whoever writes 8 means 8/255, as papers do.

    `scale` pixels are one unit of the space that it is written in. Empty, if 255ths would not be what is meant either.

    >>> in_255ths(8.0)
    ' (did you mean 8/255?)'
    """
    return f" (did you mean {written:g}/255?)" if written > 1 and written / 255 * scale <= 1 else ""


def text(value: Any) -> str:
    if isinstance(value, str) and not (isinstance(value, Plain) and value in NOTHING):
        return str(value)
    raise ValueError(f"must be a text, not {spelled(value)}")


def mapping(value: Any) -> dict:
    if isinstance(value, dict):
        return natural(value)
    raise ValueError(f"must be a mapping, not {spelled(value)}")


def natural(value: Any) -> Any:
    """What an unquoted text means where nothing in particular is expected."""
    if isinstance(value, dict):
        return {str(key): natural(item) for key, item in value.items()}
    if isinstance(value, list):
        return [natural(item) for item in value]
    if not isinstance(value, Plain):
        return value
    if value in NOTHING:
        return None
    for reader in (boolean, integer, number):
        try:
            return reader(value)
        except ValueError:
            continue
    return str(value)


READERS: dict[str, Callable[[Any], Any]] = {  # the strictest first: of `int | str`, 3 is the number
    "bool": boolean,
    "int": integer,
    "float": number,
    "dict": mapping,
    "str": text,
}


@dataclass(frozen=True)
class Parameter:
    """One keyword-only parameter: `name` in Python, `key` in a suite (class_ is class there).

    `condition` is the allowed range, as "0 < ratio < 1"; `pixels` says that it is a length in pixel space, which a
    suite's eps_space rescales.
    """

    name: str
    type: Type
    default: Any = UNSTATED
    required: bool = False
    condition: str | None = None
    pixels: bool = False

    @property
    def key(self) -> str:
        return self.name.removesuffix("_")

    def check(self, value: Any, scale: float = 1.0) -> Any:
        """The JSON value that `value` means; `scale` pixels are one unit of the suite's own space.

        ValueError, with a one-line reason, if the type or the range does not allow it.
        """
        value = self.type.read(value)
        items = value if isinstance(value, list) else [value]
        if self.pixels:
            items = [item if item is None or scale == 1 else item * scale for item in items]
            value = items if isinstance(value, list) else items[0]
        for item in items:
            if self.condition and item is not None and not _holds(self.condition, item):
                meant = in_255ths(item / scale, scale) if self.pixels else ""
                raise ValueError(f"{item!r} is outside its range, {self.condition}{meant}")
        return value

    def described(self, most: int | None = MOST_SHOWN) -> str:
        """One line for people: `ratio: float = 0.5 (0 < ratio < 1)`; `most` as of `Type.described`."""
        default = "" if self.required else " = …" if self.default is UNSTATED else f" = {self.default!r}"
        notes = [note for note in (self.condition, "in pixels" if self.pixels else None) if note]
        return f"{self.key}: {self.type.described(most)}{default}" + (f" ({', '.join(notes)})" if notes else "")


def _holds(condition: str, value: Any) -> bool:
    comparison = ast.parse(condition, mode="eval").body
    operands = [comparison.left, *comparison.comparators]
    values = [value if isinstance(operand, ast.Name) else ast.literal_eval(operand) for operand in operands]
    pairs = zip(values, comparison.ops, values[1:], strict=False)
    return all(COMPARISONS[type(op)](left, right) for left, op, right in pairs)
