"""papermill-api's HTTP interface over the runs of the server (github.com/samtecspg/papermill-api).

The forms of its README and those of its code both work, with its bodies. Its errors have its members ``message`` and
``error`` in problem details. Templates are rendered by `generator.shared.path_templates`, whose sandbox closes the
injection of the original.

```
router ─┬→ running    /run: request → notebook → destination → run → response
        │     ├→ requests      the four forms of a request
        │     ├→ notebooks     the served folder, or S3
        │     ├→ destinations  where the executed notebook is stored
        │     └→ responses     scraps, statusCode, failures
        └→ templates  /template
```
"""
