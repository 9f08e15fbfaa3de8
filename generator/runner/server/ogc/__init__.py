"""OGC API - Processes, Part 1: Core (18-062r2), below ``/ogc``: notebooks are processes, runs are jobs.

```
landing      landing page, conformance ─→ definition (OpenAPI), schemas
processes    list and description of the processes
execution    POST to a process ─→ request (what was asked) ─→ inputs (values and files) ─→ submission
jobs         list, status, results, dismissal ─→ job_filters, status
results      the outputs of a run ─→ document (as JSON), raw (as their own bytes)
identifiers, addresses, errors, responses     what all of these share
```
"""
