"""``packmill-runner hub``: a service of JupyterHub through which people run the notebooks of their own homes.

The service itself reads no home and runs no notebook. It finds out who makes a request and for whom, and forwards it to
a `packmill-runner serve` that runs as that user's system user.
"""
