cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
s:version: main
s:softwareVersion: main
s:codeRepository: <tmp>/ada/trees
s:commitHash: 51e7cb887d4a30aa34e0f95e51fbe97e975128ef
s:dateCreated: "2026-02-03"
s:name: process
s:description: Runs process.ipynb of <tmp>/ada/trees at commit 51e7cb887d4a30aa34e0f95e51fbe97e975128ef.
$graph:
  - class: Workflow
    id: ada.trees.main
    label: process
    doc: Runs process.ipynb of <tmp>/ada/trees at commit 51e7cb887d4a30aa34e0f95e51fbe97e975128ef.
    inputs:
      granules:
        type: Directory
        label: granules
        doc: |
          a STAC catalog and its files
          A folder with a STAC catalog, catalog.json.
      mask:
        type: Directory
        label: mask
        doc: A folder with a STAC catalog, catalog.json; the process gets its assets as File.
      tiles:
        type: Directory
        label: tiles
        doc: A folder with a STAC catalog, catalog.json; the process gets its assets as File[].
      extra:
        type: Directory?
        label: extra
        doc: A folder with a STAC catalog, catalog.json.
      output_template:
        type: string?
        label: path of the executed notebook
        doc: A jinja2 template with args.timestamp, args.year, args.month, args.day, args.notebook_name and the inputs, relative to output/; without it the notebook keeps its name.
    steps:
      run:
        label: process
        doc: Runs process.ipynb in its image.
        run: '#process'
        in:
          granules: granules
          mask: mask
          tiles: tiles
          extra: extra
          output_template: output_template
        out: [output_dir]
    outputs:
      output_dir:
        type: Directory
        label: results
        doc: All files that the run wrote, with a STAC catalog of them in catalog.json.
        outputSource: run/output_dir
  - class: CommandLineTool
    id: process
    label: process
    doc: Runs process.ipynb of <tmp>/ada/trees at commit 51e7cb887d4a30aa34e0f95e51fbe97e975128ef.
    requirements:
      DockerRequirement:
        dockerPull: ada.trees:main-51e7cb887d4a-0123456789abcdef
      InitialWorkDirRequirement:
        listing:
          - entryname: inputs.json
            entry: $(inputs)
      ResourceRequirement:
        coresMin: 1
        coresMax: 1
        ramMin: 2048
        ramMax: 4096
        outdirMin: 1024
    baseCommand: [packmill-runner, run]
    arguments:
      - --process
      - process.ipynb
      - --kernel
      - python3
      - --inputs
      - inputs.json
      - --output
      - output
      - --expect
      - results=out
      - --staged
      - mask=File
      - --staged
      - tiles=File[]
      - --catalog
      - ada.trees.main
    inputs:
      granules:
        type: Directory
        label: granules
        doc: |
          a STAC catalog and its files
          A folder with a STAC catalog, catalog.json.
      mask:
        type: Directory
        label: mask
        doc: A folder with a STAC catalog, catalog.json; the process gets its assets as File.
      tiles:
        type: Directory
        label: tiles
        doc: A folder with a STAC catalog, catalog.json; the process gets its assets as File[].
      extra:
        type: Directory?
        label: extra
        doc: A folder with a STAC catalog, catalog.json.
      output_template:
        type: string?
        label: path of the executed notebook
        doc: A jinja2 template with args.timestamp, args.year, args.month, args.day, args.notebook_name and the inputs, relative to output/; without it the notebook keeps its name.
    outputs:
      output_dir:
        type: Directory
        label: results
        doc: All files that the run wrote, with a STAC catalog of them in catalog.json.
        outputBinding:
          glob: output
