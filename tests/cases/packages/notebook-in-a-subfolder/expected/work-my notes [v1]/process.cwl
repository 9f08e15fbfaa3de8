cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
class: CommandLineTool
id: process
label: my notes [v1]
doc: Runs work/my notes [v1].ipynb of <tmp>/ada/trees at commit f3e813c8937e662fca359f81141feb51234800a2.
s:version: "main"
s:softwareVersion: "main"
s:codeRepository: <tmp>/ada/trees
s:commitHash: f3e813c8937e662fca359f81141feb51234800a2
s:dateCreated: "2026-02-03"
requirements:
  DockerRequirement:
    dockerPull: ada.trees:main-f3e813c8937e-0123456789abcdef
  InitialWorkDirRequirement:
    listing:
      - entryname: inputs.json
        entry: $(inputs)
  ResourceRequirement:
    coresMin: 1
    ramMin: 2048
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
inputs:
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
      glob: output/a b.png
  up:
    type: File[]
    label: up
    doc: up
    outputBinding:
      glob: output/figures/*.png
  output_nb:
    type: File
    label: executed notebook
    doc: executed notebook
    outputBinding:
      glob: output/my notes [[]v1].ipynb
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
