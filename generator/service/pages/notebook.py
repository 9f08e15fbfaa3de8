"""An executed notebook as HTML, by nbconvert. What it holds is hostile: the page is for a sandbox alone."""

from __future__ import annotations

from generator.service.api.answers import AnswerError


def rendered(text: bytes) -> str:
    """The notebook as a page that needs nothing from elsewhere.

    Raises:
        AnswerError: 404, it is no notebook that can be read.
    """
    import nbformat
    from nbconvert import HTMLExporter

    try:
        notebook = nbformat.reads(text.decode("utf-8"), as_version=4)
        body: str = HTMLExporter(
            embed_images=True, sanitize_html=True, mathjax_url="", require_js_url="", jquery_url=""
        ).from_notebook_node(notebook)[0]
    except Exception as error:  # noqa: BLE001 - nbconvert meets whatever a notebook holds
        raise AnswerError(404, {"message": f"The notebook cannot be shown: {type(error).__name__}"}) from None
    return body
