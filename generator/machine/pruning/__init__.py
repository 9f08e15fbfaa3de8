"""Remove what nothing uses any more: images, records of images, pipelines of a service."""
