"""The embedded CI service: GitLab's pipelines for those who have no GitLab.

It meets the generator in one place alone: `shepherd` runs the scripts of the project's own ``.gitlab-ci.yml``, which
call ``build.sh`` with variables and leave an exit code and artifacts. A client sees GitLab's API (``api``), a person
sees pages (``pages``); both are views of the same rows (`database`), which `scheduler` moves on.
"""
