"""Export the build pack under the name that users' repo2docker configurations contain."""

from generator.image.environment.plain_python import PlainPythonBuildPack

__all__ = ["PlainPythonBuildPack"]
