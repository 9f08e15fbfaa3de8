"""Export the build pack under the name that repo2docker configurations of users have: see the class's own module."""

from generator.image.environment.plain_python import PlainPythonBuildPack

__all__ = ["PlainPythonBuildPack"]
