cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
  cwltool: http://commonwl.org/cwltool#
s:version: main
s:softwareVersion: main
s:codeRepository: <tmp>/ada/trees
s:commitHash: 7ff3e48c371b70aaa011331f7c2ab229c7f62e06
s:dateCreated: "2026-02-03"
s:name: secret
s:description: Runs deep/secret.ipynb of <tmp>/ada/trees at commit 7ff3e48c371b70aaa011331f7c2ab229c7f62e06.
$graph:
  - class: Workflow
    id: ada.trees.main.deep-secret
    label: secret
    doc: Runs deep/secret.ipynb of <tmp>/ada/trees at commit 7ff3e48c371b70aaa011331f7c2ab229c7f62e06.
    hints:
      cwltool:Secrets:
        secrets: [token]
    inputs:
      token:
        type: string?
        label: token
        doc: token
      url:
        type: string
        label: url
        doc: url
        default: https://example.org
      output_template:
        type: string?
        label: path of the executed notebook
        doc: A jinja2 template with args.timestamp, args.year, args.month, args.day, args.notebook_name and the inputs, relative to output/; without it the notebook keeps its name.
    steps:
      run:
        label: secret
        doc: Runs deep/secret.ipynb in its image.
        run: '#process'
        in:
          token: token
          url: url
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
    label: secret
    doc: Runs deep/secret.ipynb of <tmp>/ada/trees at commit 7ff3e48c371b70aaa011331f7c2ab229c7f62e06.
    requirements:
      DockerRequirement:
        dockerPull: ada.trees:main-7ff3e48c371b-0123456789abcdef
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
      NetworkAccess:
        networkAccess: true
    hints:
      cwltool:Secrets:
        secrets: [token]
    baseCommand: [packmill-runner, run]
    arguments:
      - --process
      - deep/secret.ipynb
      - --kernel
      - python3
      - --inputs
      - inputs.json
      - --output
      - output
      - --catalog
      - ada.trees.main.deep-secret
    inputs:
      token:
        type: string?
        label: token
        doc: token
      url:
        type: string
        label: url
        doc: url
        default: https://example.org
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
