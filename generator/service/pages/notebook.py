"""An executed notebook as HTML, by nbconvert. What it holds is hostile: the page is for a sandbox alone."""

from __future__ import annotations

import warnings

from generator.service.answers import AnswerError


def rendered(text: bytes) -> str:
    """The notebook as a page that needs nothing from elsewhere, with whatever it holds: it is shown without any rights.

    Raises:
        AnswerError: 404, it is no notebook that can be read.
    """
    import nbformat
    from nbconvert import HTMLExporter

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # glued values have a media type that nbconvert does not know
            notebook = nbformat.reads(text.decode("utf-8"), as_version=4)
            exporter = HTMLExporter(mathjax_url="", require_js_url="", jquery_url="")
            body: str = exporter.from_notebook_node(notebook)[0]
    except Exception as error:  # noqa: BLE001 - nbconvert meets whatever a notebook holds
        raise AnswerError(404, {"message": f"The notebook cannot be shown: {type(error).__name__}"}) from None
    return body
