"""Run the jobs of a pipeline, each in a process that outlives the service."""
