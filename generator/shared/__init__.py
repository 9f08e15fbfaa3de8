"""Define what several programs agree on. Travels into the image."""
