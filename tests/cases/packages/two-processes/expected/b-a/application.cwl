cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
s:version: main
s:softwareVersion: main
s:codeRepository: <tmp>/ada/trees
s:commitHash: c6e9ad998da02802e68be26b46e10804582b3c7b
s:dateCreated: "2026-02-03"
s:name: a
s:description: Runs b/a.ipynb of <tmp>/ada/trees at commit c6e9ad998da02802e68be26b46e10804582b3c7b.
$graph:
  - class: Workflow
    id: ada.trees.main.b-a
    label: a
    doc: Runs b/a.ipynb of <tmp>/ada/trees at commit c6e9ad998da02802e68be26b46e10804582b3c7b.
    inputs:
      'y':
        type: string
        label: 'y'
        doc: 'y'
        default: s
      output_template:
        type: string?
        label: path of the executed notebook
        doc: A jinja2 template with args.timestamp, args.year, args.month, args.day, args.notebook_name and the inputs, relative to output/; without it the notebook keeps its name.
    steps:
      run:
        label: a
        doc: Runs b/a.ipynb in its image.
        run: '#process'
        in:
          'y': 'y'
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
    label: a
    doc: Runs b/a.ipynb of <tmp>/ada/trees at commit c6e9ad998da02802e68be26b46e10804582b3c7b.
    requirements:
      DockerRequirement:
        dockerPull: ada.trees:main-c6e9ad998da0-0123456789abcdef
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
      - b/a.ipynb
      - --kernel
      - python3
      - --inputs
      - inputs.json
      - --output
      - output
      - --catalog
      - ada.trees.main.b-a
    inputs:
      'y':
        type: string
        label: 'y'
        doc: 'y'
        default: s
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
