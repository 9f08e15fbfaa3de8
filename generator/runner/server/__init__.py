"""``packmill-runner serve``: notebooks over HTTP: one application, a module per protocol, over runs."""
