cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
s:version: main
s:softwareVersion: main
s:codeRepository: <tmp>/ada/trees
s:commitHash: 7ff3e48c371b70aaa011331f7c2ab229c7f62e06
s:dateCreated: "2026-02-03"
s:name: Count words
s:description: Counts the words of a text, which is '''quoted''' and "quoted" and has a back\slash.
$graph:
  - class: Workflow
    id: ada.trees.main
    label: Count words
    doc: Counts the words of a text, which is '''quoted''' and "quoted" and has a back\slash.
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
        type: string
        label: options
        doc: A value in JSON; other text is the value itself.
        default: '{"a": 1, "b": [true, null]}'
      mixed:
        type: string
        label: mixed
        doc: A value in JSON; other text is the value itself.
        default: '[1, "a"]'
      limit:
        type: int?
        label: limit
        doc: limit
      anything:
        type: string?
        label: anything
        doc: A value in JSON; other text is the value itself.
      ceiling:
        type: string?
        label: ceiling
        doc: A value in JSON; other text is the value itself.
      must:
        type: string
        label: must
        doc: must
      scene:
        type: Directory
        label: scene
        doc: A folder with a STAC catalog, catalog.json; the process gets its assets as File.
      tiles:
        type: Directory
        label: tiles
        doc: A folder with a STAC catalog, catalog.json; the process gets its assets as File[].
      places:
        type: Directory
        label: places
        doc: A folder with a STAC catalog, catalog.json.
      mask:
        type: File?
        label: mask
        doc: a file of the repository
      output_template:
        type: string?
        label: path of the executed notebook
        doc: A jinja2 template with args.timestamp, args.year, args.month, args.day, args.notebook_name and the inputs, relative to output/; without it the notebook keeps its name.
    steps:
      run:
        label: Count words
        doc: Runs process.ipynb in its image.
        run: '#process'
        in:
          'n': 'n'
          ratio: ratio
          whole: whole
          text: text
          empty: empty
          lines: lines
          flag: flag
          color: color
          level: level
          months: months
          counts: counts
          pick: pick
          options: options
          mixed: mixed
          limit: limit
          anything: anything
          ceiling: ceiling
          must: must
          scene: scene
          tiles: tiles
          places: places
          mask: mask
          output_template: output_template
        out: [output_dir]
    outputs:
      output_dir:
        type: Directory
        label: results
        doc: All files that the run wrote, with a STAC catalog of them in catalog.json.
        outputSource: run/output_dir
  - class: CommandLineTool
    id: process
    label: Count words
    doc: Counts the words of a text, which is '''quoted''' and "quoted" and has a back\slash.
    requirements:
      DockerRequirement:
        dockerPull: ada.trees:main-7ff3e48c371b-0123456789abcdef
      InitialWorkDirRequirement:
        listing:
          - entryname: inputs.json
            entry: $(inputs)
      ResourceRequirement:
        coresMin: 2
        coresMax: 2
        ramMin: 1024
        ramMax: 1024
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
      - --plain
      - options
      - --plain
      - mixed
      - --plain
      - anything
      - --plain
      - ceiling
      - --staged
      - scene=File
      - --staged
      - tiles=File[]
      - --catalog
      - ada.trees.main
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
        type: string
        label: options
        doc: A value in JSON; other text is the value itself.
        default: '{"a": 1, "b": [true, null]}'
      mixed:
        type: string
        label: mixed
        doc: A value in JSON; other text is the value itself.
        default: '[1, "a"]'
      limit:
        type: int?
        label: limit
        doc: limit
      anything:
        type: string?
        label: anything
        doc: A value in JSON; other text is the value itself.
      ceiling:
        type: string?
        label: ceiling
        doc: A value in JSON; other text is the value itself.
      must:
        type: string
        label: must
        doc: must
      scene:
        type: Directory
        label: scene
        doc: A folder with a STAC catalog, catalog.json; the process gets its assets as File.
      tiles:
        type: Directory
        label: tiles
        doc: A folder with a STAC catalog, catalog.json; the process gets its assets as File[].
      places:
        type: Directory
        label: places
        doc: A folder with a STAC catalog, catalog.json.
      mask:
        type: File?
        label: mask
        doc: a file of the repository
      output_template:
        type: string?
        label: path of the executed notebook
        doc: A jinja2 template with args.timestamp, args.year, args.month, args.day, args.notebook_name and the inputs, relative to output/; without it the notebook keeps its name.
    outputs:
      output_dir:
        type: Directory
        label: results
        doc: All files that the run wrote, with a STAC catalog of them in catalog.json.
        outputBinding:
          glob: output
