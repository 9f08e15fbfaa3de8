cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
s:version: '3.1'
s:softwareVersion: '3.1'
s:author:
  - class: s:Person
    s:name: Ada
s:keywords: trees, lidar
s:codeRepository: <tmp>/ada/trees
s:commitHash: 28f1af6a415b66c5467637b0a351d35af0c7db70
s:dateCreated: "2026-02-03"
s:queue: some-queue
s:name: tree-height
s:description: |
  Height of trees.
  In metres.
$graph:
  - class: Workflow
    id: ada.trees.main.dps-run
    label: tree-height
    doc: |
      Height of trees.
      In metres.
    inputs:
      tile:
        type: File
        label: tile
        doc: the tile
      year:
        type: int
        label: year
        doc: year
        default: 2020
      when:
        type: string
        label: when
        doc: when
        default: '2020-01-01'
      version:
        type: string
        label: version
        doc: version
        default: '1.10'
      codes:
        type: string[]
        label: codes
        doc: codes
        default: ['012', '1e3', 'yes']
      note:
        type: string?
        label: note
        doc: note
    steps:
      run:
        label: tree-height
        doc: Runs dps/run.sh in its image.
        run: '#process'
        in:
          tile: tile
          year: year
          when: when
          version: version
          codes: codes
          note: note
        out: [output_dir]
    outputs:
      output_dir:
        type: Directory
        label: results
        doc: All files that the run wrote, with a STAC catalog of them in catalog.json.
        outputSource: run/output_dir
  - class: CommandLineTool
    id: process
    label: tree-height
    doc: |
      Height of trees.
      In metres.
    requirements:
      DockerRequirement:
        dockerPull: ada.trees:main-28f1af6a415b-0123456789abcdef
      InitialWorkDirRequirement:
        listing:
          - entryname: inputs.json
            entry: $(inputs)
      ResourceRequirement:
        coresMin: 2
        coresMax: 2
        ramMin: 4000
        ramMax: 4000
        outdirMin: 20000
    baseCommand: [packmill-runner, run]
    arguments:
      - --process
      - dps/run.sh
      - --inputs
      - inputs.json
      - --output
      - output
      - --expect
      - heights.tif=heights.tif
      - --expect
      - out=tiles
      - --declare
      - heights.tif=File:heights.tif
      - --declare
      - out=Directory:tiles
      - --catalog
      - ada.trees.main.dps-run
    inputs:
      tile:
        type: File
        label: tile
        doc: the tile
      year:
        type: int
        label: year
        doc: year
        default: 2020
      when:
        type: string
        label: when
        doc: when
        default: '2020-01-01'
      version:
        type: string
        label: version
        doc: version
        default: '1.10'
      codes:
        type: string[]
        label: codes
        doc: codes
        default: ['012', '1e3', 'yes']
      note:
        type: string?
        label: note
        doc: note
    outputs:
      output_dir:
        type: Directory
        label: results
        doc: All files that the run wrote, with a STAC catalog of them in catalog.json.
        outputBinding:
          glob: output
