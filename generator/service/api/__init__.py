"""The pipelines part of GitLab's API v4; clients of GitLab work unchanged.

Status codes, bodies and headers are GitLab's (https://docs.gitlab.com/api/): errors of its own code are in
``message``, errors of its parameter validation in ``error``.
"""
