"""The pages for people: pipelines, logs, packages, and forms that start both.

Everything that is shown, a log, a notebook, a document of a package, may come from someone hostile: templates escape,
what cannot be escaped is served in a sandbox, and no page needs a script that is written into it.
"""
