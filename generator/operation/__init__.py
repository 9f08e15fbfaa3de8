"""The service as operators install it: a container image, a compose file, and a systemd unit."""
