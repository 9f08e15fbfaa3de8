"""Build a package: the order of the steps from a request to images, documents, and their publication."""
