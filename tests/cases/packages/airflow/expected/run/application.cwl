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
    id: ada.trees.main.run
    label: Count words
    doc: Counts the words of a text, which is '''quoted''' and "quoted" and has a back\slash.
    inputs:
      word:
        type: string
        label: word
        doc: a word, such as 'a.sh'
        default: it's {{ 1 }}
      'n':
        type: int
        label: 'n'
        doc: 'n'
        default: 2
    steps:
      run:
        label: Count words
        doc: Runs run.sh in its image.
        run: '#process'
        in:
          word: word
          'n': 'n'
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
      - run.sh
      - --inputs
      - inputs.json
      - --output
      - output
      - --expect
      - out=values.json
      - --declare
      - out=File:values.json
      - --catalog
      - ada.trees.main.run
    inputs:
      word:
        type: string
        label: word
        doc: a word, such as 'a.sh'
        default: it's {{ 1 }}
      'n':
        type: int
        label: 'n'
        doc: 'n'
        default: 2
    outputs:
      output_dir:
        type: Directory
        label: results
        doc: All files that the run wrote, with a STAC catalog of them in catalog.json.
        outputBinding:
          glob: output
