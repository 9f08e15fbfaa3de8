"""Run the stages of a CI pipeline: everything that exists because a pipeline calls ``build.sh``."""
