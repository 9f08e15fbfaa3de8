cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
s:version: main
s:softwareVersion: main
s:codeRepository: <tmp>/ada/trees
s:commitHash: 6a5d90cea46f7b7fc1ebdd9d12f6a5c1051c361f
s:dateCreated: "2026-02-03"
s:name: run.sh
s:description: Runs run.sh of <tmp>/ada/trees at commit 6a5d90cea46f7b7fc1ebdd9d12f6a5c1051c361f.
$graph:
  - class: Workflow
    id: ada.trees.main.run
    label: run.sh
    doc: Runs run.sh of <tmp>/ada/trees at commit 6a5d90cea46f7b7fc1ebdd9d12f6a5c1051c361f.
    inputs: {}
    steps:
      run:
        label: run.sh
        doc: Runs run.sh in its image.
        run: '#process'
        in: {}
        out: [output_dir]
    outputs:
      output_dir:
        type: Directory
        label: results
        doc: All files that the run wrote, with a STAC catalog of them in catalog.json.
        outputSource: run/output_dir
  - class: CommandLineTool
    id: process
    label: run.sh
    doc: Runs run.sh of <tmp>/ada/trees at commit 6a5d90cea46f7b7fc1ebdd9d12f6a5c1051c361f.
    requirements:
      DockerRequirement:
        dockerPull: ada.trees:main-6a5d90cea46f-0123456789abcdef
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
      - run.sh
      - --inputs
      - inputs.json
      - --output
      - output
      - --catalog
      - ada.trees.main.run
    inputs: {}
    outputs:
      output_dir:
        type: Directory
        label: results
        doc: All files that the run wrote, with a STAC catalog of them in catalog.json.
        outputBinding:
          glob: output
