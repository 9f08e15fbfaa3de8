"""Steps before and after a process: fetch its input files (stage-in) and deliver its results (stage-out).

**stage-in.** ``packmill-runner stage-in --inputs stage_in.json`` reads a CWL input object: ``input_path`` (a URL,
a record of `generator.shared.staging_records.stage_in_kinds`, a File, or a list of these), ``name``, ``as_type``,
``cache_dir``, ``cache_only``, ``credentials``, ``config_dir``. It writes ``staged/`` and ``cwl.output.json`` with
``output_files``, ``output_file``, ``output_directory``, ``output_directories``, ``cache_out`` and ``cache_new``.
Files are ``0_name``, ``1_name``, …; their field ``url`` has their source.

**stage-out.** ``packmill-runner stage-out --inputs stage_out.json`` reads ``output_path`` (a record of
`generator.shared.staging_records.stage_out_kinds` or a URL), ``output_dir``, ``include``, ``stac_catalog``,
``credentials``, ``config_dir``. It writes ``stage_out.json``, the list of delivered files.

The file of inputs is emptied as soon as it is read, because it may hold secrets.

```
options ─┬→ stage_in ─→ sources ─→ stores/  http, s3, filesystems, local: files that can be read from any byte
         │     ├→ fetching ─→ cache, transfer   one file: resumed, verified, atomic
         │     ├→ stac/assets ─→ documents      STAC in
         │     └→ stac/catalog ─→ footprints    STAC out
         └→ stage_out ─→ targets/, stac/catalog
batch       parallel transfers, progress     records      locations in CWL records
settings    limits, trust ─→ guard           credentials  secrets
file_names, urls, checksums                   pure
```
"""
