cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
class: CommandLineTool
id: process
label: process
doc: Runs process.ipynb of <tmp>/ada/trees at commit b4738b06aafd79e9ac212f857d2f57b33b46dceb.
s:version: "main"
s:softwareVersion: "main"
s:codeRepository: <tmp>/ada/trees
s:commitHash: b4738b06aafd79e9ac212f857d2f57b33b46dceb
s:dateCreated: "2026-02-03"
requirements:
  DockerRequirement:
    dockerPull: ada.trees:main-b4738b06aafd-0123456789abcdef
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
  - process.ipynb
  - --kernel
  - ir
  - --inputs
  - inputs.json
  - --output
  - output
  - --expect
  - out=plot.png
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
  out:
    type: File?
    label: out
    doc: out
    outputBinding:
      glob: output/plot.png
  output_nb:
    type: File
    label: executed notebook
    doc: executed notebook
    outputBinding:
      glob: output/process.ipynb
  scraps:
    type: File
    label: results that the notebook glued
    doc: results that the notebook glued
    outputBinding:
      glob: output/scraps.json
  scrap_files:
    type: File[]
    label: figures and tables that the notebook glued
    doc: figures and tables that the notebook glued
    outputBinding:
      glob: output/scraps/*
  output_dir:
    type: Directory
    label: everything that the run left
    doc: everything that the run left
    outputBinding:
      glob: output
