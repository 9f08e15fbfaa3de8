"""The embedded CI service: GitLab's pipelines without GitLab.

It uses the generator in one place only: `shepherd` runs the scripts of the project's own ``.gitlab-ci.yml``, which call
``build.sh`` with variables and leave an exit code and artifacts. Clients use GitLab's API (``api``), people use web
pages (``pages``); both show the same database rows (`database`), which `scheduler` updates.
"""
