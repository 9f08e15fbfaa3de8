#!/bin/sh
# Runs as root in a build stage that the image does not keep, and writes the root file system /formats: packages that read
# NetCDF, HDF5, Zarr and GeoTIFF. The files depend on the runner's Python alone.
set -eu
here=/tmp/packmill
top=/opt/packmill
lib=$top/formats/lib
export UV_CACHE_DIR=/tmp/packmill-cache UV_LINK_MODE=copy UV_NO_PROGRESS=1
[ -s "$here/ca-certificates.crt" ] && export SSL_CERT_FILE="$here/ca-certificates.crt"
umask 022
cd /

"$here/uv" pip install --quiet --no-deps --require-hashes --only-binary :all: --python $top/bin/python --target $lib --requirement "$here/formats.txt"
# Remove what reading does not use: tests, sources, headers, notes of installers, compilers' helpers.
find $lib -type d \( -name tests -o -name test \) -prune -exec rm -rf {} +
find $lib -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi' -o -name '*.c' -o -name '*.h' -o -name '*.a' \
    -o -path '*.dist-info/RECORD' -o -name INSTALLER -o -name REQUESTED -o -name .lock -o -name CACHEDIR.TAG -o -name .gitignore \) -delete
rm -rf $lib/bin $lib/numpy/f2py $lib/numpy/_core/include $lib/numpy/_pyinstaller
find $lib -exec touch -h -d @315532800 {} +
$top/bin/python -I -S -m compileall -q -j 0 $lib > /dev/null || true
# Check that no package lost files that it needs.
$top/bin/python -I -B -c 'import sys; sys.path.append(sys.argv[1]); import cftime, h5netcdf, numpy, pyfive, pyproj; pyproj.CRS(32633)
if sys.version_info >= (3, 11): import zarr' $lib
mkdir -p /formats$top
mv $top/formats /formats$top/
chmod -R a+rX /formats
find /formats -exec touch -h -d @315532800 {} +
