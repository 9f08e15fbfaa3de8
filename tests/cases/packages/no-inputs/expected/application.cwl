cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
s:version: main
s:softwareVersion: main
s:codeRepository: <tmp>/ada/trees
s:commitHash: 259e649dcb3634f2bb5730a68125c75568cd4405
s:dateCreated: "2026-02-03"
s:name: process
s:description: Runs process.ipynb of <tmp>/ada/trees at commit 259e649dcb3634f2bb5730a68125c75568cd4405.
$graph:
  - class: Workflow
    id: ada.trees.main
    label: process
    doc: Runs process.ipynb of <tmp>/ada/trees at commit 259e649dcb3634f2bb5730a68125c75568cd4405.
    inputs:
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
    doc: Runs process.ipynb of <tmp>/ada/trees at commit 259e649dcb3634f2bb5730a68125c75568cd4405.
    requirements:
      DockerRequirement:
        dockerPull: ada.trees:main-259e649dcb36-0123456789abcdef
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
      - --catalog
      - ada.trees.main
    inputs:
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
