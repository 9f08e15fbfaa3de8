"""Many runs of one process in one container, for ``packmill map``."""
