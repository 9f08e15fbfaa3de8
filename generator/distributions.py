"""Distributions of PyPI whose name is not that of the module that they are imported by."""

from __future__ import annotations

_NAMES = {
    "attr": "attrs",
    "Bio": "biopython",
    "bs4": "beautifulsoup4",
    "Crypto": "pycryptodome",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "ee": "earthengine-api",
    "fitz": "PyMuPDF",
    "git": "GitPython",
    "IPython": "ipython",
    "jose": "python-jose",
    "jwt": "PyJWT",
    "magic": "python-magic",
    "maap": "maap-py",
    "mpl_toolkits": "matplotlib",
    "odc": "odc-stac",
    "OpenSSL": "pyOpenSSL",
    "osgeo": "GDAL",
    "PIL": "pillow",
    "pptx": "python-pptx",
    "psycopg2": "psycopg2-binary",
    "pylab": "matplotlib",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "snappy": "python-snappy",
    "umap": "umap-learn",
    "usb": "pyusb",
    "yaml": "PyYAML",
    "zmq": "pyzmq",
}


def distribution_of(module: str) -> str:
    """The name to declare for a module: mostly the module's own."""
    return _NAMES.get(module, module)
