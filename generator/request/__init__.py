"""Read and validate what was asked for."""
