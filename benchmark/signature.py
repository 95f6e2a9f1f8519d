"""Parameters from the syntax tree of a function: nothing is imported, nothing is run."""

import ast
from copy import deepcopy
from typing import Any

from benchmark.schema import ANY, COMPARISONS, SCALARS, UNSTATED, Parameter, Type

ALLOWED = 'int, float, bool, str, dict, X | None, Literal[…], list[int|float|str] or Annotated[T, "0 < name < 1"]'


class Unreadable(ValueError):
    """A plugin's file does not keep the contract, at `line`."""

    def __init__(self, line: int, problem: str):
        self.line = line
        super().__init__(problem)


def parameter(argument: ast.arg, default: ast.expr | None) -> Parameter:
    """The schema of one keyword-only parameter of a plugin; Unreadable if it is outside the contract."""
    name = argument.arg
    if argument.annotation is None:
        raise Unreadable(argument.lineno, f"parameter {name} has no annotation; give it {ALLOWED}")
    annotation, condition, pixels = argument.annotation, None, False
    if _generic(annotation) == "Annotated":
        annotation, *notes = _arguments(annotation)
        for note in notes:
            if not (isinstance(note, ast.Constant) and isinstance(note.value, str)):
                raise Unreadable(note.lineno, f"parameter {name}: {ast.unparse(note)} is not a text")
            if note.value == "pixels":
                pixels = True
            else:
                condition = _condition(name, note)
    accepted = _type(annotation)
    if accepted is None:
        annotation = ast.unparse(annotation)
        raise Unreadable(argument.lineno, f"parameter {name}: annotation {annotation} is not one of {ALLOWED}")
    if (condition and not accepted.is_number) or (pixels and not accepted.is_length):
        raise Unreadable(argument.lineno, f"parameter {name}: only numbers have a range, and only floats are pixels")
    found = Parameter(name, accepted, UNSTATED, default is None, condition, pixels)
    if default is None:
        return found
    try:
        value = ast.literal_eval(default)
        checked = found.check(list(value) if isinstance(value, tuple) else value)  # () is a list that cannot change
    except ValueError as error:
        reason = f": {error}" if _literal(default) else " is not a literal"
        raise Unreadable(default.lineno, f"parameter {name}: its default {ast.unparse(default)}{reason}") from None
    return Parameter(name, accepted, checked, False, condition, pixels)


def lenient(argument: ast.arg, default: ast.expr | None, pixels: bool) -> Parameter:
    """The schema of a library's own parameter: where the annotation says nothing usable, anything is accepted."""
    accepted = (argument.annotation and _type(argument.annotation, lenient=True)) or ANY
    stated = default is not None and _literal(default) and not pixels  # a fixed length ignores the suite's ε
    value = ast.literal_eval(default) if stated else UNSTATED
    if value is None and not accepted.nullable and accepted is not ANY:
        accepted = accepted | Type(("None",))
    value = list(value) if isinstance(value, tuple) else value
    return Parameter(argument.arg, accepted, value, default is None, None, pixels and accepted.is_length)


class _Substituted(ast.NodeTransformer):
    """Names replaced by what the module has assigned to them before."""

    def __init__(self, known: dict[str, ast.expr]):
        self.known = known

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.known.get(node.id, node)


def constants(tree: ast.Module) -> dict[str, Any]:
    """Literals that a module's upper-case names stand for (they may name earlier ones); Ellipsis for what is none."""
    found, known = {}, {}
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value and isinstance(target, ast.Name):
            value = _Substituted(known).visit(deepcopy(node.value))
            if _literal(value):
                known[target.id] = value
            if target.id.isupper():
                found[target.id] = ast.literal_eval(value) if _literal(value) else ...
    return found


def _literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError):
        return False
    return True


def _type(node: ast.expr, lenient: bool = False) -> Type | None:
    """What an annotation accepts, or None if it is not one of ours; `lenient` leaves out what is not from a union."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _type(ast.parse(node.value, mode="eval").body, lenient)
    if isinstance(node, ast.Constant) and node.value is None:
        return Type(("None",))
    if isinstance(node, ast.Name) and node.id in SCALARS:
        return Type((node.id,))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        sides = [_type(side, lenient) for side in (node.left, node.right)]
        if None in sides:
            return next(filter(None, sides), None) if lenient else None
        return sides[0] | sides[1]
    generic = _generic(node)
    if generic == "Literal" and all(_literal(argument) for argument in _arguments(node)):
        return Type(choices=tuple(ast.literal_eval(argument) for argument in _arguments(node)))
    if generic == "list" and isinstance(node.slice, ast.Name) and node.slice.id in ("int", "float", "str"):
        return Type(items=(node.slice.id,))
    return None


def _generic(node: ast.expr) -> str | None:
    """`Literal` for Literal[…] and typing.Literal[…]."""
    if not isinstance(node, ast.Subscript):
        return None
    return node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", None)


def _arguments(node: ast.Subscript) -> list[ast.expr]:
    return node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]


def _condition(name: str, note: ast.Constant) -> str:
    """A range that can be checked: a chained comparison of numbers with the parameter's own name."""
    try:
        comparison = ast.parse(note.value, mode="eval").body
    except SyntaxError:
        comparison = None
    if isinstance(comparison, ast.Compare) and all(type(op) in COMPARISONS for op in comparison.ops):
        operands = [comparison.left, *comparison.comparators]
        names = [operand.id for operand in operands if isinstance(operand, ast.Name)]
        if names == [name] and all(_literal(o) for o in operands if not isinstance(o, ast.Name)):
            return note.value
    raise Unreadable(
        note.lineno, f'parameter {name}: "{note.value}" is neither "pixels" nor a range as "0 < {name} < 1"'
    )
