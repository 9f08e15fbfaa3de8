"""The web pages: pipelines, logs, packages, and forms that start builds and runs.

All shown content (logs, notebooks, documents of packages) may be hostile: templates escape it, what cannot be escaped
is served in a sandbox, and no page needs an inline script.
"""
