cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
s:version: main
s:softwareVersion: main
s:codeRepository: <tmp>/ada/trees
s:commitHash: a112c0d05976cac823a8935daf5853ec6f2e959a
s:dateCreated: "2026-02-03"
s:name: old
s:description: An older one
$graph:
  - class: Workflow
    id: ada.trees.main.run
    label: old
    doc: An older one
    inputs:
      scene:
        type: File
        label: scene
        doc: scene
      crid:
        type: string
        label: crid
        doc: crid
        default: '000'
      mode:
        type: string
        label: mode
        doc: mode
    steps:
      run:
        label: old
        doc: Runs run.sh in its image.
        run: '#process'
        in:
          scene: scene
          crid: crid
          mode: mode
        out: [output_dir]
    outputs:
      output_dir:
        type: Directory
        label: results
        doc: All files that the run wrote, with a STAC catalog of them in catalog.json.
        outputSource: run/output_dir
  - class: CommandLineTool
    id: process
    label: old
    doc: An older one
    requirements:
      DockerRequirement:
        dockerPull: ada.trees:main-a112c0d05976-0123456789abcdef
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
    inputs:
      scene:
        type: File
        label: scene
        doc: scene
      crid:
        type: string
        label: crid
        doc: crid
        default: '000'
      mode:
        type: string
        label: mode
        doc: mode
    outputs:
      output_dir:
        type: Directory
        label: results
        doc: All files that the run wrote, with a STAC catalog of them in catalog.json.
        outputBinding:
          glob: output
