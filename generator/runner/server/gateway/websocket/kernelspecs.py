"""The kernelspecs that clients are offered: those that packmill finds and can start."""

from __future__ import annotations

import os
from typing import Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager, NoSuchKernel

from generator.runner.kernels.specs import Kernel
from generator.runner.server.kernels.installed import InstalledKernels


class KernelSpecs(KernelSpecManager):  # type: ignore[misc]
    """Finds kernels as ``packmill-runner run`` does, with commands that start the right interpreter."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._installed = InstalledKernels(os.environ)

    def kernels(self) -> dict[str, Kernel]:
        """Return the kernels that can be started, by name."""
        found = {kernel.name: kernel for kernel in self._installed.find(os.environ) if not kernel.problem}
        allowed = self.allowed_kernelspecs
        return {name: kernel for name, kernel in found.items() if not allowed or name in allowed}

    def find_kernel(self, name: str) -> Kernel:
        """Return a kernel by its name, in any case.

        Raises:
            NoSuchKernel: no kernel has the name.
        """
        for known, kernel in self.kernels().items():
            if known.lower() == name.lower():
                return kernel
        raise NoSuchKernel(name)

    def find_kernel_specs(self) -> dict[str, str]:
        """Return the folders of the kernels, by name."""
        return {name: str(kernel.folder) for name, kernel in self.kernels().items()}

    def get_kernel_spec(self, kernel_name: str) -> Any:
        """Return a kernelspec whose command names the interpreter's path.

        Raises:
            NoSuchKernel: no kernel has the name.
        """
        kernel = self.find_kernel(kernel_name)
        spec = KernelSpec.from_resource_dir(str(kernel.folder))
        spec.argv = list(kernel.argv)
        return spec
