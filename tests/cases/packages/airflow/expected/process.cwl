cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
class: CommandLineTool
id: process
label: Count words
doc: Counts the words of a text, which is '''quoted''' and "quoted" and has a back\slash.
s:version: "main"
s:softwareVersion: "main"
s:codeRepository: <tmp>/ada/trees
s:commitHash: 7ff3e48c371b70aaa011331f7c2ab229c7f62e06
s:dateCreated: "2026-02-03"
requirements:
  DockerRequirement:
    dockerPull: ada.trees:main-7ff3e48c371b-0123456789abcdef
  InitialWorkDirRequirement:
    listing:
      - entryname: inputs.json
        entry: $(inputs)
  ResourceRequirement:
    coresMin: 2
    ramMin: 1024
    outdirMin: 1024
  ToolTimeLimit:
    timelimit: 600
  NetworkAccess:
    networkAccess: true
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
  - picture=year.txt
  - --expect
  - deposit=deposit
inputs:
  'n':
    type: int
    label: 'n'
    doc: how many
    default: 3
  ratio:
    type: float
    label: ratio
    doc: ratio
    default: 0.5
  whole:
    type: float
    label: whole
    doc: whole
    default: 86
  text:
    type: string
    label: text
    doc: the "text"
    default: it's {{ 7*7 }}
  empty:
    type: string
    label: empty
    doc: empty
    default: ''
  lines:
    type: string
    label: lines
    doc: lines
    default: "a\nb"
  flag:
    type: boolean
    label: flag
    doc: flag
    default: true
  color:
    type:
      type: enum
      symbols: [red, green]
    label: color
    doc: color
    default: red
  level:
    type: int
    label: level
    doc: One of 1, 2, 3
    default: 2
  months:
    type: string[]
    label: months
    doc: months
    default: [jan, feb]
  counts:
    type: float[]
    label: counts
    doc: counts
    default: [1, 2, 3]
  pick:
    type: string[]
    label: pick
    doc: One of 'a', 'b', 'c'
    default: [a]
  options:
    type: Any
    label: options
    doc: options
    default: {a: 1, b: [true, null]}
  mixed:
    type: Any[]
    label: mixed
    doc: mixed
    default: [1, a]
  limit:
    type: int?
    label: limit
    doc: limit
  anything:
    type: Any?
    label: anything
    doc: anything
  ceiling:
    type: Any?
    label: ceiling
    doc: ceiling
  must:
    type: string
    label: must
    doc: must
  scene:
    type: File
    label: scene
    doc: scene
  tiles:
    type: File[]
    label: tiles
    doc: tiles
  places:
    type: Directory
    label: places
    doc: places
  mask:
    type: File?
    label: mask
    doc: a file of the repository
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
      glob: output/year.txt
  logs:
    type: File[]
    label: logs
    doc: logs
    outputBinding:
      glob: output/*.log
  deposit:
    type: Directory?
    label: deposit
    doc: deposit
    outputBinding:
      glob: output/deposit
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
