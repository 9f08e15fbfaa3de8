"""``packmill-runner serve``: notebooks over HTTP. One application, a module per protocol, over the runner's own runs."""
