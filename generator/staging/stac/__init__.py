"""Read and write STAC catalogs and items."""
