"""A recipe of a suite, `{plugin: {parameter: value}}` or a bare name, checked against the plugin's own signature."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from benchmark.errors import PluginError, suggest
from benchmark.foreign import REFUSED
from benchmark.plugins import Plugin, Registry
from benchmark.schema import UNSTATED, Parameter, Type, in_255ths, spelled, text
from benchmark.types import Recipe
from benchmark.yaml_nodes import Node

REINITIALISE = "reinitialise"  # the compression that draws a network's weights anew
UNTRAINED = "none"  # the training that trains nothing
# of any training of a network that was compressed: as many more epochs as make up for its fewer multiply–accumulates
BUDGET = Parameter("budget", Type(choices=("equal",)))


@dataclass(frozen=True)
class Recipes:
    """Reads recipes; `space` is what lengths in pixels are divided by where they are written, None for nothing."""

    registry: Registry
    space: float | None = None

    @property
    def scale(self) -> float:
        """How many pixels are one unit of the space."""
        return 1.0 if self.space is None else self.space

    def read(self, kind: str, node: Node, beside: tuple[str, ...] = (), tuned: bool = False) -> Recipe:
        """The recipe at `node`, all of its arguments checked and its defaults filled in.

        `beside` are keys that may stand next to the plugin's. tuned: it is a training of a compressed network, whose
        `epochs` may be scaled (see BUDGET).
        """
        if not node.is_mapping:
            if node.is_list or node.is_nothing:
                raise node.error(f"must name one {kind}, as {{NAME: {{…}}}}, not {spelled(node.value)}")
            name, given, where = node.read(text), {}, node
        else:
            where = replace(self._plugin_key(kind, node, beside), where=node.where)
            name = where.key
            given = {} if where.is_nothing else where.items("{PARAMETER: VALUE}")
        plugin = self.find(kind, name, where)
        return Recipe(kind, name, tuple(sorted(self._arguments(plugin, given, where, tuned).items())))

    def find(self, kind: str, name: str, where: Node) -> Plugin:
        try:
            return self.registry.find(kind, name)
        except PluginError as error:
            raise where.at_key().error(str(error)) from None

    def _plugin_key(self, kind: str, node: Node, beside: tuple[str, ...]) -> Node:
        """The one key that names the plugin."""
        items = {key: item for key, item in node.items().items() if key not in beside}
        known = [key for key in items if key in self.registry.names(kind)]
        if len(items) == 1:
            return next(iter(items.values()))
        if not items:
            raise node.error(f"names no {kind}; give it as {{NAME: {{…}}}}{suggest('', self.registry.names(kind))}")
        if len(known) == 1 and beside:
            other = next(key for key in items if key not in known)
            raise items[other].at_key().error(f"unknown key beside {kind} {known[0]!r}{suggest(other, beside)}")
        raise node.error(f"must name one {kind}, not {len(items)}: {', '.join(items)}")

    def _arguments(self, plugin: Plugin, given: dict[str, Node], where: Node, tuned: bool) -> dict[str, object]:
        what = f"{plugin.kind} {plugin.name!r}"
        own = {parameter.key: parameter for parameter in plugin.parameters}
        klass = self._value(own["class"], given["class"]) if "class" in own and "class" in given else None
        if klass is None and "OPTIONS_FROM" in plugin.constants:
            raise where.error(f"{what} needs {own['class'].described()}")
        try:
            accepted = {parameter.key: parameter for parameter in plugin.accepts(klass)}
            if tuned and "epochs" in own:
                accepted = accepted | {BUDGET.key: BUDGET} | own
        except PluginError as error:
            raise where.error(str(error)) from None
        if klass is not None and len(accepted) > len(own):
            what = f"{klass} ({what})"
        for key, node in given.items():
            if key not in accepted:
                reason = (
                    f"cannot be given: {REFUSED[key]}" if "OPTIONS_FROM" in plugin.constants and key in REFUSED else ""
                )
                raise node.at_key().error(reason or f"unknown parameter of {what}{suggest(key, accepted)}")
        arguments = {}
        for key, parameter in accepted.items():
            if key in given:
                arguments[parameter.name] = self._value(parameter, given[key])
            elif parameter.required:
                raise where.error(f"{what} needs {parameter.described()}")
            elif parameter.default is not UNSTATED:
                arguments[parameter.name] = parameter.default
        widths = {name for names in plugin.constants.get("WIDTHS", {}).values() for name in names}
        if widths and all(arguments.get(name) is None for name in widths):
            raise where.error(f"{what} is given no width; give {' or '.join(sorted(widths))}")
        if "eps" in given and arguments.get("norm") == "inf" and arguments["eps"] > 1:
            eps = arguments["eps"]
            meant = in_255ths(eps / self.scale, self.scale)
            raise given["eps"].error(f"is {eps:g} in pixels, more than a pixel's whole range [0, 1]{meant}")
        for name, digest in plugin.constants.get("FILE_DIGESTS", {}).items():
            if name in given:
                arguments[name], found = _file(given[name], arguments[name])
                if arguments[digest] not in (None, found):
                    raise given[digest].error(f"{arguments[name]} has SHA-256 {found}; mend it, or leave it out")
                arguments[digest] = found
        return arguments

    def _value(self, parameter: Parameter, node: Node) -> object:
        return node.read(lambda value: parameter.check(value, self.scale))


def _file(node: Node, written: str) -> tuple[str, str]:
    """A file's path, from the working folder if it is below that, and its SHA-256, by which stages are keyed."""
    places = [node.path.parent / written, Path(written)]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise node.error(f"there is no file {written}, neither beside the suite nor in the working folder")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    path = path.resolve()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path), digest
