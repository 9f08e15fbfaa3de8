"""Read the parameters and the interface of a notebook or a script. Travels into the image."""
