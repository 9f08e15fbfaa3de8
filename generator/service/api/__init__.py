"""GitLab's API v4, as far as pipelines go: a client cannot tell the difference.

Status codes, bodies and headers are those of GitLab (https://docs.gitlab.com/api/): ``message`` where its own code
answers, ``error`` where its parameter validation does.
"""
