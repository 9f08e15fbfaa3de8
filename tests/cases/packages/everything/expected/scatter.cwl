cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
s:version: main
s:softwareVersion: main
s:codeRepository: <tmp>/ada/trees
s:commitHash: 79289bbd37db5f3948b108a43cca254e84ca7d99
s:dateCreated: "2026-02-03"
s:name: A bit of everything
s:description: Runs process.ipynb of <tmp>/ada/trees at commit 79289bbd37db5f3948b108a43cca254e84ca7d99.
$graph:
  - class: Workflow
    id: ada.trees.main-scatter
    label: A bit of everything
    doc: Runs process.ipynb of <tmp>/ada/trees at commit 79289bbd37db5f3948b108a43cca254e84ca7d99.
    requirements:
      ScatterFeatureRequirement: {}
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
        type: Directory[]
        label: scene
        doc: |
          the scene
          A folder with a STAC catalog, catalog.json; the process gets its assets as File[].
          A list; the process runs once for each item.
      flag:
        type: boolean
        label: flag
        doc: flag
        default: true
      nothing:
        type: string?
        label: nothing
        doc: A value in JSON; other text is the value itself.
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
        type: string
        label: options
        doc: A value in JSON; other text is the value itself.
        default: '{"a": 1, "b": [true, null]}'
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
    steps:
      run:
        label: A bit of everything
        doc: Runs process.ipynb in its image.
        run: '#process'
        in:
          threshold: threshold
          name: name
          count: count
          scene: scene
          flag: flag
          nothing: nothing
          offset: offset
          shift: shift
          numbers: numbers
          options: options
          words: words
          typed: typed
          output_template: output_template
        out: [picture, log, folder, output_dir]
        scatter: [scene]
        scatterMethod: dotproduct
    outputs:
      picture:
        type: File[]
        label: picture
        doc: |
          picture
          A list, in the order of the items.
        outputSource: run/picture
      log:
        type:
          type: array
          items:
            type: array
            items: File
        label: log
        doc: |
          all logs
          A list, in the order of the items.
        outputSource: run/log
      folder:
        type: Directory[]
        label: folder
        doc: |
          folder
          A list, in the order of the items.
        outputSource: run/folder
      output_dir:
        type: Directory[]
        label: results
        doc: |
          All files that the run wrote, with a STAC catalog of them in catalog.json.
          A list, in the order of the items.
        outputSource: run/output_dir
  - class: CommandLineTool
    id: process
    label: A bit of everything
    doc: Runs process.ipynb of <tmp>/ada/trees at commit 79289bbd37db5f3948b108a43cca254e84ca7d99.
    requirements:
      DockerRequirement:
        dockerPull: ada.trees:main-79289bbd37db-0123456789abcdef
      InitialWorkDirRequirement:
        listing:
          - entryname: inputs.json
            entry: $(inputs)
      ResourceRequirement:
        coresMin: 1
        coresMax: 1
        ramMin: 2048
        ramMax: 4096
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
      - --staged
      - scene=File[]
      - --plain
      - nothing
      - --plain
      - options
      - --catalog
      - ada.trees.main
      - --all-outputs
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
        type: Directory
        label: scene
        doc: |
          the scene
          A folder with a STAC catalog, catalog.json; the process gets its assets as File[].
      flag:
        type: boolean
        label: flag
        doc: flag
        default: true
      nothing:
        type: string?
        label: nothing
        doc: A value in JSON; other text is the value itself.
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
        type: string
        label: options
        doc: A value in JSON; other text is the value itself.
        default: '{"a": 1, "b": [true, null]}'
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
        type: File
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
        type: Directory
        label: folder
        doc: folder
        outputBinding:
          glob: output/tiles
      output_dir:
        type: Directory
        label: results
        doc: All files that the run wrote, with a STAC catalog of them in catalog.json.
        outputBinding:
          glob: output
