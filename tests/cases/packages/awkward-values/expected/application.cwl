cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
s:version: main
s:softwareVersion: main
s:codeRepository: <tmp>/ada/trees
s:commitHash: d13431c8164fab1649bcb1121928e2e9907c2ab8
s:dateCreated: "2026-02-03"
s:name: process
s:description: Runs process.ipynb of <tmp>/ada/trees at commit d13431c8164fab1649bcb1121928e2e9907c2ab8.
$graph:
  - class: Workflow
    id: ada.trees.main
    label: process
    doc: Runs process.ipynb of <tmp>/ada/trees at commit d13431c8164fab1649bcb1121928e2e9907c2ab8.
    inputs:
      empty:
        type: string
        label: empty
        doc: empty
        default: ''
      equal:
        type: string
        label: equal
        doc: equal
        default: ==
      quotes:
        type: string
        label: quotes
        doc: quotes
        default: it's "so"
      unicode:
        type: string
        label: unicode
        doc: unicode
        default: größe 大きさ 🛰
      lines:
        type: string
        label: lines
        doc: lines
        default: "a\nb\n\n  c\n"
      tab:
        type: string
        label: tab
        doc: tab
        default: "\t"
      backslash:
        type: string
        label: backslash
        doc: backslash
        default: C:\temp
      expression:
        type: string
        label: expression
        doc: expression
        default: $(inputs.x) ${y}
      yaml:
        type: string[]
        label: yaml
        doc: yaml
        default:
          - 'yes'
          - 'null'
          - '1.0'
          - '2020-01-01'
          - '~'
          - ''
          - ' x'
          - '# y'
          - '- z'
          - '!t'
          - '&a'
          - '*b'
          - '0x1F'
          - '1e3'
      nested:
        type: string
        label: nested
        doc: A value in JSON; other text is the value itself.
        default: '[[1, [2, "a"]], []]'
      holes:
        type: string
        label: holes
        doc: A value in JSON; other text is the value itself.
        default: '[1, null]'
      large:
        type: long
        label: large
        doc: large
        default: 9007199254740993
      tiny:
        type: float
        label: tiny
        doc: tiny
        default: 1.0e-300
      'off':
        type: boolean
        label: 'off'
        doc: 'off'
        default: false
      input:
        type: float
        label: input
        doc: input
        default: 1
      id_:
        type: string
        label: id
        doc: id
        default: x
      class__:
        type: string
        label: class
        doc: class
        default: 'y'
      default:
        type: string
        label: default
        doc: A value in JSON; other text is the value itself.
        default: '{"k": null, "l": {"m": []}}'
      keys:
        type: string
        label: keys
        doc: A value in JSON; other text is the value itself.
        default: '{"id": 1, "path": "x"}'
      mode:
        type: string
        label: mode
        doc: One of 'a/b', 'c#d'
        default: a/b
      output_template:
        type: string?
        label: path of the executed notebook
        doc: A jinja2 template with args.timestamp, args.year, args.month, args.day, args.notebook_name and the inputs, relative to output/; without it the notebook keeps its name.
    steps:
      run:
        label: process
        doc: Runs process.ipynb in its image.
        run: '#process'
        in:
          empty: empty
          equal: equal
          quotes: quotes
          unicode: unicode
          lines: lines
          tab: tab
          backslash: backslash
          expression: expression
          yaml: yaml
          nested: nested
          holes: holes
          large: large
          tiny: tiny
          'off': 'off'
          input: input
          id_: id_
          class__: class__
          default: default
          keys: keys
          mode: mode
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
    label: process
    doc: Runs process.ipynb of <tmp>/ada/trees at commit d13431c8164fab1649bcb1121928e2e9907c2ab8.
    requirements:
      DockerRequirement:
        dockerPull: ada.trees:main-d13431c8164f-0123456789abcdef
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
      - --plain
      - nested
      - --plain
      - holes
      - --plain
      - default
      - --plain
      - keys
      - --catalog
      - ada.trees.main
    inputs:
      empty:
        type: string
        label: empty
        doc: empty
        default: ''
      equal:
        type: string
        label: equal
        doc: equal
        default: ==
      quotes:
        type: string
        label: quotes
        doc: quotes
        default: it's "so"
      unicode:
        type: string
        label: unicode
        doc: unicode
        default: größe 大きさ 🛰
      lines:
        type: string
        label: lines
        doc: lines
        default: "a\nb\n\n  c\n"
      tab:
        type: string
        label: tab
        doc: tab
        default: "\t"
      backslash:
        type: string
        label: backslash
        doc: backslash
        default: C:\temp
      expression:
        type: string
        label: expression
        doc: expression
        default: $(inputs.x) ${y}
      yaml:
        type: string[]
        label: yaml
        doc: yaml
        default:
          - 'yes'
          - 'null'
          - '1.0'
          - '2020-01-01'
          - '~'
          - ''
          - ' x'
          - '# y'
          - '- z'
          - '!t'
          - '&a'
          - '*b'
          - '0x1F'
          - '1e3'
      nested:
        type: string
        label: nested
        doc: A value in JSON; other text is the value itself.
        default: '[[1, [2, "a"]], []]'
      holes:
        type: string
        label: holes
        doc: A value in JSON; other text is the value itself.
        default: '[1, null]'
      large:
        type: long
        label: large
        doc: large
        default: 9007199254740993
      tiny:
        type: float
        label: tiny
        doc: tiny
        default: 1.0e-300
      'off':
        type: boolean
        label: 'off'
        doc: 'off'
        default: false
      input:
        type: float
        label: input
        doc: input
        default: 1
      id_:
        type: string
        label: id
        doc: id
        default: x
      class__:
        type: string
        label: class
        doc: class
        default: 'y'
      default:
        type: string
        label: default
        doc: A value in JSON; other text is the value itself.
        default: '{"k": null, "l": {"m": []}}'
      keys:
        type: string
        label: keys
        doc: A value in JSON; other text is the value itself.
        default: '{"id": 1, "path": "x"}'
      mode:
        type: string
        label: mode
        doc: One of 'a/b', 'c#d'
        default: a/b
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
