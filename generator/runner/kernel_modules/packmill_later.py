"""Puts off what a module costs until someone uses it; for the runner and for the kernels that it starts."""

import importlib.util
import sys
import types


def put_off(name, **known):
    """Puts a module into place that is run when something other than ``known`` is asked of it.

    importlib's own LazyLoader runs a module as soon as a second ``import`` meets it.
    """
    try:
        spec = importlib.util.find_spec(name)
    except ImportError:  # the package that it is part of is not there
        return
    if name in sys.modules or spec is None or spec.loader is None:
        return

    class Later(types.ModuleType):
        def __getattr__(self, attribute):
            if attribute in ("__path__", "__wrapped__"):  # what the import system looks for in passing
                raise AttributeError(attribute)
            self.__class__ = types.ModuleType
            spec.loader.exec_module(self)
            return getattr(self, attribute)

    module = importlib.util.module_from_spec(spec)
    module.__class__ = Later
    vars(module).update(known)
    sys.modules[name] = module
