"""Data in from anywhere, results out to anywhere: the steps around a process, in the process's own image.

**stage-in.** ``packmill-runner stage-in --inputs stage_in.json`` reads a CWL input object: ``input_path`` (a URL,
a record of `generator.shared.staging_records.stage_in_kinds`, a File, or a list of these), ``name``, ``as_type``,
``cache_dir``, ``cache_only``, ``credentials``, ``config_dir``. It leaves ``staged/`` and ``cwl.output.json`` with
``output_files``, ``output_file``, ``output_directory``, ``cache_out`` and ``cache_new``. Files are ``0_name``,
``1_name``, … and carry where they came from in ``url``.

**stage-out.** ``packmill-runner stage-out --inputs stage_out.json`` reads ``output_path`` (a record of
`generator.shared.staging_records.stage_out_kinds` or a URL), ``output_dir``, ``include``, ``stac_catalog``,
``credentials``, ``config_dir``. It leaves ``stage_out.json``, the list of what went where.

The file of inputs is emptied as soon as it is read, because it may hold secrets.

```
options ─┬→ stage_in ─→ places ─→ stores/   http, s3, filesystems, local: sources that can be read from any byte on
         │     ├→ fetching ─→ cache, transfer   one file: resumed, verified, atomic
         │     ├→ stac_assets ─→ documents      STAC in
         │     └→ catalog ─→ footprints         STAC out
         └→ stage_out ─→ targets, catalog
batch       many files at once, progress     records      what CWL records ask for
network     limits, trust ─→ guard           credentials  secrets
names, urls, checksums                        pure
```
"""
