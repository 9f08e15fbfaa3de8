cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
  cwltool: http://commonwl.org/cwltool#
class: CommandLineTool
id: process
label: Tree height
doc: Height of trees from lidar
s:version: "2.10"
s:softwareVersion: "2.10"
s:author:
  - class: s:Person
    s:name: A. Person
    s:email: person@example.org
  - class: s:Person
    s:name: B. Person
    s:affiliation: Institute of Trees
s:publisher:
  - class: s:Organization
    s:name: Institute of Trees
s:identifier: tree-height
s:license: Apache-2.0
s:keywords: trees, lidar
s:citation: https://doi.org/10.5281/zenodo.1234567
s:codeRepository: <tmp>/ada/trees
s:commitHash: dbc5b72ecaeede8c084c1ab60e557120d0e40560
s:dateCreated: "2026-01-31"
s:softwareHelp: https://trees.example.org/manual
s:funding: Grant 12
s:sensors:
  - GEDI
  - ICESat-2
requirements:
  DockerRequirement:
    dockerPull: ada.trees:main-dbc5b72ecaee-0123456789abcdef
  InitialWorkDirRequirement:
    listing:
      - entryname: inputs.json
        entry: $(inputs)
  ResourceRequirement:
    coresMin: 4
    ramMin: 6144
    outdirMin: 20480
  ToolTimeLimit:
    timelimit: 5400
hints:
  cwltool:CUDARequirement:
    cudaVersionMin: "12.1"
    cudaComputeCapability: "1.0"
    cudaDeviceCountMin: 1
baseCommand: [packmill-runner, run]
arguments:
  - --process
  - process.ipynb
  - --kernel
  - python3
  - --inputs
  - inputs.json
  - --output
  - output
  - --expect
  - results=out
inputs:
  granules:
    type: Directory
    label: granules
    doc: granules
  threshold:
    type: float
    label: threshold
    doc: threshold
    default: 3
  output_template:
    type: string?
    label: path of the executed notebook
    doc: A jinja2 template with args.timestamp, args.year, args.month, args.day, args.notebook_name and the inputs, relative to output/; without it the notebook keeps its name.
outputs:
  results:
    type: Directory?
    label: results
    doc: results
    outputBinding:
      glob: output/out
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
