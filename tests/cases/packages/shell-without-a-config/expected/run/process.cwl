cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
class: CommandLineTool
id: process
label: run.sh
doc: Runs run.sh of <tmp>/ada/trees at commit 6a5d90cea46f7b7fc1ebdd9d12f6a5c1051c361f.
s:version: "main"
s:softwareVersion: "main"
s:codeRepository: <tmp>/ada/trees
s:commitHash: 6a5d90cea46f7b7fc1ebdd9d12f6a5c1051c361f
s:dateCreated: "2026-02-03"
requirements:
  DockerRequirement:
    dockerPull: ada.trees:main-6a5d90cea46f-0123456789abcdef
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
inputs: {}
outputs:
  output_dir:
    type: Directory
    label: everything that the run left
    doc: everything that the run left
    outputBinding:
      glob: output
