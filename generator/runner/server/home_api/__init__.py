"""The HTTP interface of a JupyterHub user's home: list its notebooks, and run them with their results in the home.

```
router ─┬→ home       what is served: its state and its notebooks
        └→ running    /execute, /run-notebook: request → notebook → run → response
              ├→ requests      bodies
              ├→ notebooks     by name or path
              ├→ destinations  where the executed notebook is stored
              └→ responses     bodies
```

A service of the hub authenticates people and forwards their requests, or the user starts the server. Times in bodies
are local and without a zone, as clients of this interface know them.
"""
