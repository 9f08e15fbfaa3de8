"""Fresh kernels without the cold start: prepared processes, spare kernels, and the choice between them."""
