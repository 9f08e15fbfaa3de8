"""Sets a machine up for building: a container engine and a base image, where they are missing and can be had."""
