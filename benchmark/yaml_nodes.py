"""A YAML file as nodes that know their line and their dotted place, so that every complaint can point at its cause.

PyYAML composes the nodes; what an unquoted text means is left to whoever reads it (`schema.Plain`), because only the
reader knows whether `8/255` or `off` is meant as a number, a truth value or a name.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from benchmark.errors import SuiteError, suggest
from benchmark.schema import Plain, integer, spelled

CORE = "tag:yaml.org,2002:"
TAGS = {CORE + tag for tag in ("str", "int", "float", "bool", "null", "seq", "map", "merge", "timestamp", "value")}
MERGE = CORE + "merge"
NESTED = "is nested too deeply to be a suite"


@dataclass(frozen=True)
class Node:
    """One place in the file. `where` is its dotted key; `line`, from 1, a scalar's own or a collection's key's."""

    path: Path
    node: yaml.Node
    key: str
    where: str
    line: int
    key_line: int

    def error(self, problem: str) -> SuiteError:
        return SuiteError(self.path, self.line, self.where, problem)

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.node, yaml.MappingNode)

    @property
    def is_list(self) -> bool:
        return isinstance(self.node, yaml.SequenceNode)

    @property
    def is_nothing(self) -> bool:
        """Whether nothing stands here, as after `pgd:`."""
        return isinstance(self.node, yaml.ScalarNode) and self.node.style is None and self.node.value == ""

    @property
    def value(self) -> Any:
        """The node as lists, dicts, quoted texts (str) and unquoted ones (Plain)."""
        if self.is_mapping:
            return {key: item.value for key, item in self.items().items()}
        if self.is_list:
            return [item.value for item in self.elements()]
        return Plain(self.node.value) if self.node.style is None else self.node.value

    def read(self, reader: Callable[[Any], Any], form: str = "") -> Any:
        """What `reader` makes of the value; its ValueError becomes an error at this line.

        form: here and below, what a right value looks like: an example for whoever has written something of another
        kind, a mapping for a text, say.
        """
        try:
            return reader(self.value)
        except ValueError as error:
            other = self.is_mapping or self.is_list or self.is_nothing
            raise self.error(f"{error}{_as(form) if other else ''}") from None

    def items(self, form: str = "") -> dict[str, "Node"]:
        """A mapping's nodes by key, those of `<<` included; an error if this is no mapping."""
        if not self.is_mapping:
            raise self.error(f"must be a mapping, not {spelled(self.value)}{_as(form)}")
        merged, own = {}, {}
        for key, value in self.node.value:
            if key.tag == MERGE:
                for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    merged = self._child("<<", source, key).items() | merged
            else:
                own[key.value] = self._child(key.value, value, key)
        return merged | own

    def elements(self, form: str = "", name: Callable[["Node"], str | None] = lambda node: None) -> list["Node"]:
        """A list's nodes, placed by `name`, otherwise by their number from 1; an error if this is no list."""
        if not self.is_list:
            raise self.error(f"must be a list, not {spelled(self.value)}{_as(form)}")
        found = []
        for number, node in enumerate(self.node.value, 1):
            child = self._child(str(number), node, node)
            given = name(child)
            found.append(self._child(given, node, node) if given else child)
        return found

    def keys(self, known: tuple[str, ...], required: tuple[str, ...] = (), form: str = "") -> dict[str, "Node"]:
        """A mapping's nodes, its keys checked."""
        items = self.items(form)
        for key, item in items.items():
            if key not in known:
                raise item.at_key().error(f"unknown key{suggest(key, known)}")
        for key in required:
            if key not in items:
                raise self.error(f"needs {key!r}")
        return items

    def at_key(self) -> "Node":
        """This place, its line that of its key."""
        return replace(self, line=self.key_line)

    def _child(self, name: str, node: yaml.Node, key: yaml.Node) -> "Node":
        key_line = key.start_mark.line + 1
        line = node.start_mark.line + 1 if isinstance(node, yaml.ScalarNode) else key_line
        return Node(self.path, node, name, f"{self.where}.{name}" if self.where else name, line, key_line)


def whole(node: Node, least: int, most: int | None = None) -> int:
    """A whole number in that range; an error at its line if it is none."""
    value = node.read(integer)
    if value < least or (most is not None and value > most):
        raise node.error(f"must be at least {least}{f' and at most {most}' if most else ''}, not {value}")
    return value


def _as(form: str) -> str:
    """The way out of a value of the wrong form."""
    return f"; write it as {form}" if form else ""


def read(path: Path) -> Node:
    """The file's top mapping; SuiteError if the file is missing, is not YAML, or repeats a key."""
    text = _text(path)
    try:
        top = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        hint = "; indent with spaces, not tabs" if "'\\t'" in (error.problem or "") else ""
        problem = "expected a single document" if "another document" in (error.problem or "") else error.problem
        raise SuiteError(path, mark.line + 1, "", f"not YAML: {problem or error.context}{hint}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise SuiteError(path, line, "", f"not YAML: character U+{error.character:04X} is not allowed") from None
    except RecursionError:
        raise SuiteError(path, 1, "", NESTED) from None
    if top is None:
        raise SuiteError(path, 1, "", "the file is empty; a suite starts with its name")
    node = Node(path, top, "", "", 1, 1)
    if not node.is_mapping:
        raise node.error(f"a suite is a mapping of keys such as name and attacks, not {spelled(node.value)}")
    try:
        _check(node, [])
    except RecursionError:
        raise SuiteError(path, 1, "", NESTED) from None
    return node


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SuiteError(path, 1, "", f"cannot be read: {error.strerror}") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SuiteError(path, line, "", f"not UTF-8: byte 0x{raw[error.start]:02X}; save the file as UTF-8") from None


def _check(node: Node, above: list[yaml.Node]) -> None:
    """Refuse what a reader of nodes could not see any more: repeated keys, foreign tags, an alias of what it is in."""
    if any(node.node is other for other in above):
        raise node.error("an alias (*) stands inside of what it repeats")
    if node.node.tag not in TAGS:
        raise node.error(f"tag {node.node.tag.replace(CORE, '!!')} is not understood; write the value without it")
    for child in _children(node):
        _check(child, [*above, node.node])


def _children(node: Node) -> Iterator[Node]:
    if node.is_list:
        yield from node.elements()
    elif node.is_mapping:
        lines: dict[str, int] = {}
        for key, value in node.node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise node.error("a key must be a text; quote names that start with [ or {")
            child = node._child(key.value, value, key)
            if key.tag == MERGE and isinstance(value, yaml.ScalarNode):
                raise child.error("<< needs a mapping (an alias of one)")
            if key.value in lines:
                raise child.at_key().error(
                    f"is given twice, on lines {lines[key.value]} and {child.key_line}; keep one"
                )
            lines[key.value] = child.key_line
            yield child
