"""Output of ipykernel without a limit: by default, ZeroMQ drops what exceeds 1000 messages that nobody has read yet."""


def publish_without_limit(application):
    """Make kernels of an ``IPKernelApp`` keep their messages until they are read."""
    make = getattr(application, "init_iopub", None)  # of ipykernel 5 and later

    def init_iopub(app, context):
        context.sndhwm = 0  # of the sockets that are made from now on
        make(app, context)

    if make:
        application.init_iopub = init_iopub
