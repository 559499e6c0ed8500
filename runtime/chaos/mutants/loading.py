"""Importing a mutated program: a finder before all others that exchanges text in the sources of the modules that are patched.

To be installed in a fresh process, before any of these modules is imported: what is imported already stays as it is.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from callboard.runtime.chaos.mutants.mutant import BadMutant, Mutant, patched


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a module from its patched source; no compiled file is read or written."""

    def __init__(self, name: str, path: str, mutant: Mutant) -> None:
        super().__init__(name, path)
        self._mutant = mutant

    def get_code(self, fullname: str) -> Any:
        path = self.get_filename(fullname)
        source = self.get_data(path).decode()
        return compile(patched(source, self._mutant.id, self._mutant.patches, fullname), path, "exec", dont_inherit=True)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant
        self._modules = {patch.module for patch in mutant.patches}

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> importlib.machinery.ModuleSpec | None:
        if name not in self._modules:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.origin is None:
            return None
        spec.loader = _Loader(name, spec.origin, self._mutant)
        spec.cached = None
        return spec


def install(mutant: Mutant) -> None:
    """From now on, modules of this mutant are imported in their patched form.

    Raises:
        BadMutant: one of them has been imported already.
    """
    early = [patch.module for patch in mutant.patches if patch.module in sys.modules]
    if early:
        raise BadMutant(f"{mutant.id}: {early[0]} has been imported before it could be patched")
    if mutant.patches:
        sys.meta_path.insert(0, _Finder(mutant))


def check(mutant: Mutant) -> None:
    """See that every patch fits its module's source and that the result compiles, without importing anything of it.

    Raises:
        BadMutant: it does not.
    """
    for module in dict.fromkeys(patch.module for patch in mutant.patches):
        spec = _find(module)
        if spec is None or spec.origin is None:
            raise BadMutant(f"{mutant.id}: there is no module {module}")
        with open(spec.origin, encoding="utf-8") as file:
            source = patched(file.read(), mutant.id, mutant.patches, module)
        try:
            compile(source, spec.origin, "exec", dont_inherit=True)
        except SyntaxError as problem:
            raise BadMutant(f"{mutant.id}: {module} does not compile any more: {problem}") from None


def _find(module: str) -> importlib.machinery.ModuleSpec | None:
    """The spec of a module, found from folder to folder: importing its packages would import what is to be patched."""
    path: Sequence[str] | None = None
    spec: importlib.machinery.ModuleSpec | None = None
    parts = module.split(".")
    for count in range(1, len(parts) + 1):
        spec = importlib.machinery.PathFinder.find_spec(".".join(parts[:count]), path)
        if spec is None:
            return None
        path = spec.submodule_search_locations
    return spec
