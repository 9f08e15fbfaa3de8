"""Files of arrays with a place on the Earth, whose headers need packages of their own to be read."""

endings = (".cdf", ".h5", ".hdf5", ".he5", ".nc", ".nc4", ".tif", ".tiff", ".zarr")
"""Endings of files and folders."""
writers = frozenset(
    "eoreader eopf geocube gdal h5netcdf h5py iris netCDF4 odc openeo osgeo pyresample rasterio rio_cogeo rioxarray "
    "satpy stackstac tables tifffile xarray xcube zarr".split()
)
"""Python modules that write them."""
