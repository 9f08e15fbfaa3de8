"""Find kernels, start them, exchange messages, and end them."""
