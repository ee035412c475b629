"""Name -> variant, filled by scanning a folder: one new file adds one variant."""

import importlib
import pkgutil
from collections.abc import Callable
from typing import Generic, TypeVar

from ppim.errors import UnknownNameError

T = TypeVar("T")


class Registry(Generic[T]):
    """The variants of one concept that live as modules of one package.

    Parameters
    ----------
    kind : str
        What a variant is called in messages ("mapping").
    package : str
        Dotted name of the package whose modules register themselves when imported.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self._package = package
        self._variants: dict[str, T] = {}
        self._scanned = False

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that files a variant under `name`."""

        def keep(variant: T) -> T:
            if name in self._variants:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self._variants[name] = variant
            return variant

        return keep

    def _scan(self) -> None:
        if not self._scanned:
            self._scanned = True
            package = importlib.import_module(self._package)
            for module in pkgutil.iter_modules(package.__path__):
                importlib.import_module(f"{self._package}.{module.name}")

    def names(self) -> tuple[str, ...]:
        """All registered names, sorted."""
        self._scan()
        return tuple(sorted(self._variants))

    def get(self, name: str) -> T:
        """The variant called `name`; raises UnknownNameError with near matches."""
        self._scan()
        if name not in self._variants:
            raise UnknownNameError(self.kind, name, self._variants)
        return self._variants[name]
