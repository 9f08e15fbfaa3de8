cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
s:version: main
s:softwareVersion: main
s:codeRepository: <tmp>/ada/trees
s:commitHash: 080b58ac461279bf5da6f52803674c981bd0e6a3
s:dateCreated: "2026-02-03"
s:name: heights
s:description: Runs run.sh of <tmp>/ada/trees at commit 080b58ac461279bf5da6f52803674c981bd0e6a3.
$graph:
  - class: Workflow
    id: ada.trees.main.run
    label: heights
    doc: Runs run.sh of <tmp>/ada/trees at commit 080b58ac461279bf5da6f52803674c981bd0e6a3.
    inputs:
      granules:
        type: Directory
        label: granules
        doc: A folder with a STAC catalog, catalog.json.
      catalog:
        type: Directory
        label: catalog
        doc: A folder with a STAC catalog, catalog.json.
      mask:
        type: File?
        label: mask
        doc: mask
      scene:
        type: File
        label: scene
        doc: scene
    steps:
      run:
        label: heights
        doc: Runs run.sh in its image.
        run: '#process'
        in:
          granules: granules
          catalog: catalog
          mask: mask
          scene: scene
        out: [output_dir]
    outputs:
      output_dir:
        type: Directory
        label: results
        doc: All files that the run wrote, with a STAC catalog of them in catalog.json.
        outputSource: run/output_dir
  - class: CommandLineTool
    id: process
    label: heights
    doc: Runs run.sh of <tmp>/ada/trees at commit 080b58ac461279bf5da6f52803674c981bd0e6a3.
    requirements:
      DockerRequirement:
        dockerPull: ada.trees:main-080b58ac4612-0123456789abcdef
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
      - --expect
      - heights.txt=heights.txt
      - --as-path
      - granules=data/
      - --as-path
      - catalog=data
      - --as-path
      - mask=data/mask.csv
      - --declare
      - heights.txt=File:heights.txt
      - --catalog
      - ada.trees.main.run
    inputs:
      granules:
        type: Directory
        label: granules
        doc: A folder with a STAC catalog, catalog.json.
      catalog:
        type: Directory
        label: catalog
        doc: A folder with a STAC catalog, catalog.json.
      mask:
        type: File?
        label: mask
        doc: mask
      scene:
        type: File
        label: scene
        doc: scene
    outputs:
      output_dir:
        type: Directory
        label: results
        doc: All files that the run wrote, with a STAC catalog of them in catalog.json.
        outputBinding:
          glob: output
