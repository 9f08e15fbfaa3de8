cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
class: CommandLineTool
id: process
label: old
doc: An older one
s:version: "main"
s:softwareVersion: "main"
s:codeRepository: <tmp>/ada/trees
s:commitHash: a112c0d05976cac823a8935daf5853ec6f2e959a
s:dateCreated: "2026-02-03"
requirements:
  DockerRequirement:
    dockerPull: ada.trees:main-a112c0d05976-0123456789abcdef
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
    label: everything that the run left
    doc: everything that the run left
    outputBinding:
      glob: output
