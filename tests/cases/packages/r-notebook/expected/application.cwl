cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
s:version: main
s:softwareVersion: main
s:codeRepository: <tmp>/ada/trees
s:commitHash: b4738b06aafd79e9ac212f857d2f57b33b46dceb
s:dateCreated: "2026-02-03"
s:name: process
s:description: Runs process.ipynb of <tmp>/ada/trees at commit b4738b06aafd79e9ac212f857d2f57b33b46dceb.
$graph:
  - class: Workflow
    id: ada.trees.main
    label: process
    doc: Runs process.ipynb of <tmp>/ada/trees at commit b4738b06aafd79e9ac212f857d2f57b33b46dceb.
    inputs:
      'n':
        type: int
        label: 'n'
        doc: how many
        default: 5
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
          'n': 'n'
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
    doc: Runs process.ipynb of <tmp>/ada/trees at commit b4738b06aafd79e9ac212f857d2f57b33b46dceb.
    requirements:
      DockerRequirement:
        dockerPull: ada.trees:main-b4738b06aafd-0123456789abcdef
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
      - ir
      - --inputs
      - inputs.json
      - --output
      - output
      - --expect
      - out=plot.png
      - --catalog
      - ada.trees.main
    inputs:
      'n':
        type: int
        label: 'n'
        doc: how many
        default: 5
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
