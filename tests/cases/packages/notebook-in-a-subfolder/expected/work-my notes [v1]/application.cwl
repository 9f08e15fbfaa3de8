cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
s:version: main
s:softwareVersion: main
s:codeRepository: <tmp>/ada/trees
s:commitHash: f3e813c8937e662fca359f81141feb51234800a2
s:dateCreated: "2026-02-03"
s:name: my notes [v1]
s:description: Runs work/my notes [v1].ipynb of <tmp>/ada/trees at commit f3e813c8937e662fca359f81141feb51234800a2.
$graph:
  - class: Workflow
    id: ada.trees.main.work-my-notes--v1-
    label: my notes [v1]
    doc: Runs work/my notes [v1].ipynb of <tmp>/ada/trees at commit f3e813c8937e662fca359f81141feb51234800a2.
    inputs:
      output_template:
        type: string?
        label: path of the executed notebook
        doc: A jinja2 template with args.timestamp, args.year, args.month, args.day, args.notebook_name and the inputs, relative to output/; without it the notebook keeps its name.
    steps:
      run:
        label: my notes [v1]
        doc: Runs work/my notes [v1].ipynb in its image.
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
    label: my notes [v1]
    doc: Runs work/my notes [v1].ipynb of <tmp>/ada/trees at commit f3e813c8937e662fca359f81141feb51234800a2.
    requirements:
      DockerRequirement:
        dockerPull: ada.trees:main-f3e813c8937e-0123456789abcdef
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
      NetworkAccess:
        networkAccess: true
    baseCommand: [packmill-runner, run]
    arguments:
      - --process
      - work/my notes [v1].ipynb
      - --kernel
      - conda-env-foo-py
      - --inputs
      - inputs.json
      - --output
      - output
      - --expect
      - out=a b.png
      - --catalog
      - ada.trees.main.work-my-notes--v1-
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
