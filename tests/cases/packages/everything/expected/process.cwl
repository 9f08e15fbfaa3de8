cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
class: CommandLineTool
id: process
label: A bit of everything
doc: Runs process.ipynb of <tmp>/ada/trees at commit 79289bbd37db5f3948b108a43cca254e84ca7d99.
s:version: "main"
s:softwareVersion: "main"
s:codeRepository: <tmp>/ada/trees
s:commitHash: 79289bbd37db5f3948b108a43cca254e84ca7d99
s:dateCreated: "2026-02-03"
requirements:
  DockerRequirement:
    dockerPull: ada.trees:main-79289bbd37db-0123456789abcdef
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
  - python3
  - --inputs
  - inputs.json
  - --output
  - output
  - --expect
  - picture=image.png
  - --expect
  - folder=tiles
inputs:
  threshold:
    type: float
    label: threshold
    doc: threshold
    default: 12.5
  name:
    type: string
    label: name
    doc: name
    default: abcdefg
  count:
    type: int
    label: count
    doc: how many
    default: 86
  scene:
    type: File[]
    label: scene
    doc: the scene
  flag:
    type: boolean
    label: flag
    doc: flag
    default: true
  nothing:
    type: Any?
    label: nothing
    doc: nothing
  offset:
    type: float
    label: offset
    doc: offset
    default: -7
  shift:
    type: float
    label: shift
    doc: shift
    default: -0.5
  numbers:
    type: float[]
    label: numbers
    doc: numbers
    default: [1, 2, 3]
  options:
    type: Any
    label: options
    doc: options
    default: {a: 1, b: [true, null]}
  words:
    type: string[]
    label: words
    doc: words
    default: [x, y == z]
  typed:
    type: int
    label: typed
    doc: typed
    default: 3
  output_template:
    type: string?
    label: path of the executed notebook
    doc: A jinja2 template with args.timestamp, args.year, args.month, args.day, args.notebook_name and the inputs, relative to output/; without it the notebook keeps its name.
outputs:
  picture:
    type: File?
    label: picture
    doc: picture
    outputBinding:
      glob: output/image.png
  log:
    type: File[]
    label: log
    doc: all logs
    outputBinding:
      glob: output/wildcard_*.log
  folder:
    type: Directory?
    label: folder
    doc: folder
    outputBinding:
      glob: output/tiles
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
