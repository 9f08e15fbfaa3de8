"""The prepared processes of a worker: started in the background, shared by notebooks with equal imports, bounded."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from generator.runner.kernels.prepared import ForkRefusedError, Kind, UnfitError
from generator.runner.kernels.specs import Kernel
from generator.runner.server.kernels.limits import KernelLimits
from generator.runner.server.kernels.stock import Recipe, Stock

_MEMORY_INTERVAL = 5.0
"""Seconds between two measurements of memory."""


class PreparedPool:
    """Prepared processes by their recipes, in the order of their last use."""

    def __init__(self, limits: KernelLimits, base: dict[str, str], log: Callable[[str], None]) -> None:
        self._limits = limits
        self._base = base
        self._log = log
        self._stocks: OrderedDict[Recipe, Stock] = OrderedDict()
        self._refused: dict[Kernel, set[str]] = {}
        """Packages that cannot be preloaded."""
        self._unfit: dict[Recipe, str] = {}
        self._retired: list[Stock] = []
        """Processes that are not forked any more, and end after their last child."""
        self._measured = 0.0

    @property
    def stocks(self) -> tuple[Stock, ...]:
        """The prepared processes, the one used last at the end."""
        return tuple(self._stocks.values())

    def begin(self, kernel: Kernel, kind: Kind) -> None:
        """Start the process without modules of notebooks in the background."""
        with suppress(OSError):  # the first run reports it
            self._open(Recipe(kernel, kind))

    def bare(self, kernel: Kernel, kind: Kind, timeout: float) -> Stock:
        """Return the process without modules of notebooks; wait for it.

        Raises:
            UnfitError: it cannot be started, or not within ``timeout`` seconds.
        """
        recipe = Recipe(kernel, kind)
        try:
            stock = self._open(recipe)
        except OSError as error:
            raise UnfitError(f"its process cannot be started: {error}") from None
        try:
            if stock.is_ready(timeout):
                return stock
        except UnfitError as error:
            self._drop(recipe)
            raise UnfitError(f"its kernel cannot be forked: {error}") from None
        raise UnfitError(f"its kernel was not prepared within {timeout:g} s")

    def find(self, recipe: Recipe) -> Stock | None:
        """Return the process of a recipe if it is ready; start it in the background otherwise.

        Raises:
            UnfitError: children of such a process cannot be used.
        """
        recipe = self._allowed(recipe)
        if recipe in self._unfit:
            raise UnfitError(self._unfit[recipe])
        if not recipe.modules:
            return None
        try:
            stock = self._open(recipe)
            return stock if stock.is_ready() else None
        except UnfitError as error:
            self._refuse(recipe, error)
        except OSError as error:
            self._unfit[recipe] = str(error)
        return self.find(recipe)

    def await_ready(self, recipe: Recipe, patience: float) -> None:
        """Wait at most ``patience`` seconds for the process of a recipe, if it was started."""
        if stock := self._stocks.get(self._allowed(recipe)):
            stock.await_ready(patience)

    def _allowed(self, recipe: Recipe) -> Recipe:
        refused = self._refused.get(recipe.kernel)
        if not refused:
            return recipe
        kept = tuple(name for name in recipe.modules if name.partition(".")[0] not in refused)
        return replace(recipe, modules=kept)

    def _refuse(self, recipe: Recipe, error: UnfitError) -> None:
        """End a process that cannot be used; one without the refused packages may take its place."""
        stock = self._drop(recipe)
        self._log(f"a prepared process cannot be used: {error}")
        packages = set(stock.process.imported.refused) if stock.process.imported else set()
        known = self._refused.setdefault(recipe.kernel, set())
        if not packages or packages <= known or packages & set(recipe.local):
            self._unfit[recipe] = str(error)
        known |= packages - set(recipe.local)

    def _open(self, recipe: Recipe) -> Stock:
        self.end_retired()
        stock = self._stocks.get(recipe)
        if stock is not None and stock.is_outdated():
            self._log("a prepared process was replaced: packages of its environment have changed")
            self._drop(recipe)
            stock = None
        if stock is None:
            stock = self._stocks[recipe] = Stock(recipe, self._base)
            self._evict(keep=recipe)
        self._stocks.move_to_end(recipe)
        return stock

    def forget(self, recipe: Recipe, reason: str) -> None:
        """Fork a process no more, which ends after its last child; with a ``reason``, none takes its place."""
        if recipe in self._stocks:
            self._drop(recipe)
        if recipe.modules and reason:
            self._unfit[recipe] = reason

    def _drop(self, recipe: Recipe) -> Stock:
        """Fork a process no more; it ends now if none of its children runs, since they would end with it."""
        stock = self._stocks.pop(recipe)
        stock.drop_spares()
        self._retired.append(stock)
        self.end_retired()
        return stock

    def end_retired(self) -> None:
        """End the processes that are not forked any more and whose last child has ended."""
        unused = [stock for stock in self._retired if not stock.process.has_children()]
        for stock in unused:
            self._retired.remove(stock)
            stock.end()

    def _evict(self, *, keep: Recipe) -> None:
        preloaded = [recipe for recipe in self._stocks if recipe.modules and recipe != keep]
        for recipe in preloaded[: max(0, len(preloaded) + bool(keep.modules) - self._limits.prepared)]:
            self._drop(recipe)

    def tidy(self) -> None:
        """Fork spare children of the processes used last, and keep the memory within its limit."""
        left = self._limits.spares
        for recipe, stock in reversed(list(self._stocks.items())):
            try:
                if left > 0 and stock.is_ready():
                    stock.refill(1)
                    left -= 1
                elif left <= 0:
                    stock.drop_spares()
            except ForkRefusedError:
                break
            except UnfitError as error:
                self._refuse(recipe, error)
        self.end_retired()
        if time.monotonic() - self._measured > _MEMORY_INTERVAL:
            self._measured = time.monotonic()
            self.limit_memory()

    def drop_spares(self) -> None:
        """End all children that were forked ahead."""
        for stock in self.stocks:
            stock.drop_spares()

    def limit_memory(self) -> None:
        """End the processes used least recently until the memory is within its limit; the last one stays."""
        sizes = {recipe: stock.memory() for recipe, stock in self._stocks.items()}
        total = sum(sizes.values())
        for recipe, size in sizes.items():
            if total <= self._limits.memory:
                return
            if len(self._stocks) > 1:
                self._log(f"a prepared process of {size / 1024**2:.0f} MB was ended: memory is limited")
                self._drop(recipe)
                total -= size

    def end(self) -> None:
        """End all processes."""
        while self._stocks:
            self._stocks.popitem()[1].end()
        while self._retired:
            self._retired.pop().end()
