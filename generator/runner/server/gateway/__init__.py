"""Annotated cells of notebooks as an HTTP API, as the Jupyter Kernel Gateway's mode notebook-http serves them.

https://jupyter-kernel-gateway.readthedocs.io/en/latest/http-mode.html; `generator.runner.server.serve` is another
server, which runs whole notebooks.
"""
