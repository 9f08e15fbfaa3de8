"""The program inside the image: runs a process of the repository and leaves its results.

The seam to the generated CWL is the command line of `generator.runner.cli` and the files it reads and writes:

* ``packmill-runner run --process PATH --inputs inputs.json [--kernel NAME] [--output DIRECTORY] [--expect NAME=GLOB]…``
* ``inputs.json`` is the CWL input object, with the paths that hold in the container (CWL v1.2, ``$(inputs)``).
* The output directory gets the executed notebook under the process's name, ``scraps.json``, and every file that the
  process wrote; nothing of the repository itself. A glob of ``--expect`` that matches nothing there is a failure.

It works as any user, with a read-only root file system and without a network; it writes into the working directory
and TMPDIR alone.
"""
