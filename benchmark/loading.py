"""Running a plugin's file, at the time of its stage: every other room only reads it.

The plugin's folder plays a package, so that `from ._sibling import x` works, named after the hash of the plugin's
source, so that an edited file is another module, even within one process.
"""

import hashlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

from benchmark.errors import PluginError

PREFIX = "leanarmor_plugins_"


class _Fresh(importlib.machinery.SourceFileLoader):
    """Compiles the file as it is now: bytecode is trusted by the second, and a plugin may be edited faster."""

    def get_code(self, fullname: str):
        return self.source_to_code(self.get_data(self.path), self.path)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the files of our made-up packages."""

    def find_spec(self, fullname, path, target=None):
        parent, _, stem = fullname.rpartition(".")
        file = Path(path[0], f"{stem}.py") if parent.startswith(PREFIX) and path else None
        if file and file.is_file():
            return importlib.util.spec_from_loader(fullname, _Fresh(fullname, str(file)))
        return None


def load(path: Path, source: str) -> ModuleType:
    """The module of the plugin at `path`, run once per source hash; PluginError, in one line, if running it fails."""
    folder = path.resolve().parent
    identity = hashlib.sha256(f"{folder}\0{source}".encode()).hexdigest()[:16]
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
    package = sys.modules.setdefault(PREFIX + identity, ModuleType(PREFIX + identity))
    package.__path__ = [str(folder)]
    try:
        return importlib.import_module(f"{PREFIX}{identity}.{path.stem}")
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        inside = [frame for frame in frames if Path(frame.filename).parent == folder]
        where = f"{inside[-1].filename}:{inside[-1].lineno}" if inside else f"{path}:1"
        raise PluginError(f"{where}: {type(error).__name__}: {' '.join(str(error).split())}") from error
