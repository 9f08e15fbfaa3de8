"""Defer a module's import cost until its first use; for the runner and the kernels that it starts."""

import importlib.util
import sys
import types


def put_off(name, **known):
    """Register a module that is loaded on first access to an attribute other than ``known``.

    importlib's LazyLoader would load it at the second ``import``.
    """
    try:
        spec = importlib.util.find_spec(name)
    except ImportError:  # its parent package is not installed
        return
    if name in sys.modules or spec is None or spec.loader is None:
        return

    class Later(types.ModuleType):
        def __getattr__(self, attribute):
            if attribute in ("__path__", "__wrapped__"):  # looked up by the import system
                raise AttributeError(attribute)
            self.__class__ = types.ModuleType
            spec.loader.exec_module(self)
            return getattr(self, attribute)

    module = importlib.util.module_from_spec(spec)
    module.__class__ = Later
    vars(module).update(known)
    sys.modules[name] = module
