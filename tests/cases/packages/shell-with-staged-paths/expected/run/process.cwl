cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
class: CommandLineTool
id: process
label: heights
doc: Runs run.sh of <tmp>/ada/trees at commit 080b58ac461279bf5da6f52803674c981bd0e6a3.
s:version: "main"
s:softwareVersion: "main"
s:codeRepository: <tmp>/ada/trees
s:commitHash: 080b58ac461279bf5da6f52803674c981bd0e6a3
s:dateCreated: "2026-02-03"
requirements:
  DockerRequirement:
    dockerPull: ada.trees:main-080b58ac4612-0123456789abcdef
  InitialWorkDirRequirement:
    listing:
      - entryname: inputs.json
        entry: $(inputs)
  ResourceRequirement:
    coresMin: 1
    ramMin: 2048
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
inputs:
  granules:
    type: Directory
    label: granules
    doc: granules
  catalog:
    type: Directory
    label: catalog
    doc: catalog
  mask:
    type: File?
    label: mask
    doc: mask
  scene:
    type: File
    label: scene
    doc: scene
outputs:
  heights.txt:
    type: File?
    label: heights.txt
    doc: heights.txt
    outputBinding:
      glob: output/heights.txt
  output_dir:
    type: Directory
    label: everything that the run left
    doc: everything that the run left
    outputBinding:
      glob: output
