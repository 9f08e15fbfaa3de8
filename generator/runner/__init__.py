"""The program inside the image: runs a process of the repository, or any notebook, and leaves its results.

The seam to the generated CWL is the command line of `generator.runner.options` and the files that it reads and writes.

**Command.** ``packmill-runner run --process PATH --inputs inputs.json [--kernel NAME] [--output DIRECTORY]
[--expect NAME=GLOB]… [--declare NAME=TYPE:GLOB]… [--as-path NAME=PATH]… [--output-template TEMPLATE]`` in a writable
working directory.

**Input.** ``inputs.json`` is the CWL input object, with the paths that hold in the container (CWL v1.2, ``$(inputs)``).
Its key ``output_template`` is the runner's own, every other one a parameter's ``id``
(`generator.notebook.interface.cwl_id`). null means 'not given'. Unknown names and values
of the wrong type are refused. A script gets the file itself; an input of ``--as-path`` is then the text of its path.

**Output.** ``DIRECTORY`` (``output``) gets

* the executed notebook, under the process's name or the path of the template;
* ``scraps.json``, everything that was glued by name, and ``scraps/``, the figures and tables among it as files;
* ``result.json``, how the run went (`generator.runner.results.result`);
* every file that the process wrote, and no file of the repository itself.

A folder that has the ``result.json`` of an earlier run is refused.

The run fails if an output of ``--expect`` is missing in it. The working directory also gets ``cwl.output.json``, the
output object (CWL v1.2, "Output binding"): the outputs of a notebook are in its parameters cell, those of a script in
``--declare``. Links, special files and names that engines refuse are replaced, removed or renamed.

**End.** Exit codes and reasons are those of `generator.shared.failures`; outputs are written after
failures too. Progress and errors go to stderr.

The runner works as any user, with a read-only root file system and without a network; it writes only to the working
directory and TMPDIR.

The steps before and after a process, ``packmill-runner stage-in`` and ``stage-out``, are in `generator.staging`.

The other form, ``packmill-runner run IN OUT``, has papermill's options and meaning (docs/runner.md).
"""
