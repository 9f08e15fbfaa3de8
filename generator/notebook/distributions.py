"""Map module names to the PyPI distributions that provide them, if the names differ."""

from __future__ import annotations

from types import MappingProxyType

_NAMES = {
    "absl": "absl-py",
    "attr": "attrs",
    "Bio": "biopython",
    "bs4": "beautifulsoup4",
    "bson": "pymongo",
    "cairo": "pycairo",
    "community": "python-louvain",
    "Crypto": "pycryptodome",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "decouple": "python-decouple",
    "distutils": "setuptools",
    "dns": "dnspython",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "ecmwfapi": "ecmwf-api-client",
    "ee": "earthengine-api",
    "faiss": "faiss-cpu",
    "fitz": "PyMuPDF",
    "gdal": "GDAL",
    "gi": "PyGObject",
    "git": "GitPython",
    "google.oauth2": "google-auth",
    "google.protobuf": "protobuf",
    "googleapiclient": "google-api-python-client",
    "gribapi": "eccodes",
    "grpc": "grpcio",
    "harmony": "harmony-py",
    "hydra": "hydra-core",
    "imblearn": "imbalanced-learn",
    "IPython": "ipython",
    "jose": "python-jose",
    "jwt": "PyJWT",
    "magic": "python-magic",
    "maap": "maap-py",
    "mpl_toolkits": "matplotlib",
    "mpl_toolkits.basemap": "basemap",
    "MySQLdb": "mysqlclient",
    "nacl": "PyNaCl",
    "odc": "odc-stac",
    "ogr": "GDAL",
    "OpenGL": "PyOpenGL",
    "OpenSSL": "pyOpenSSL",
    "osgeo": "GDAL",
    "osr": "GDAL",
    "PIL": "pillow",
    "pkg_resources": "setuptools<82",
    "pptx": "python-pptx",
    "psycopg2": "psycopg2-binary",
    "pylab": "matplotlib",
    "pywt": "PyWavelets",
    "serial": "pyserial",
    "shapefile": "pyshp",
    "skbio": "scikit-bio",
    "skfuzzy": "scikit-fuzzy",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "skopt": "scikit-optimize",
    "slugify": "python-slugify",
    "snappy": "python-snappy",
    "socks": "PySocks",
    "umap": "umap-learn",
    "usb": "pyusb",
    "websocket": "websocket-client",
    "wrf": "wrf-python",
    "yaml": "PyYAML",
    "zmq": "pyzmq",
}
_NAMESPACES = (
    *("azure", "azure.ai", "azure.keyvault", "azure.mgmt", "azure.storage"),
    *("backports", "google", "google.cloud", "odc", "ruamel", "zope"),
)
"""Their distributions are named after the submodule; a distribution with the bare name is unrelated."""

_REMOVED = {
    "3.12": "asynchat asyncore imp smtpd",
    "3.13": "aifc audioop cgi cgitb chunk crypt imghdr lib2to3 mailcap msilib nis nntplib ossaudiodev pipes sndhdr"
    " spwd sunau telnetlib uu xdrlib",
}
removed_modules = MappingProxyType({name: version for version, names in _REMOVED.items() for name in names.split()})
"""Modules removed from the standard library, and the version that removed them (PEP 594; "What's New")."""


def distribution_of(name: str) -> str:
    """Return the distribution to declare for a module, dotted or not: usually its top-level name."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        start = ".".join(parts[:length])
        if start in _NAMESPACES and length < len(parts):
            return "-".join(parts[: length + 1])
        if start in _NAMES:
            return _NAMES[start]
    return parts[0]
