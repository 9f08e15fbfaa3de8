cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
  cwltool: http://commonwl.org/cwltool#
s:version: '2.10'
s:softwareVersion: '2.10'
s:author:
  - class: s:Person
    s:name: A. Person
    s:email: person@example.org
  - class: s:Person
    s:name: B. Person
    s:affiliation:
      class: s:Organization
      s:name: Institute of Trees
s:publisher:
  class: s:Organization
  s:name: Institute of Trees
s:identifier: tree-height
s:license:
  class: s:CreativeWork
  s:name: Apache-2.0
  s:url: https://spdx.org/licenses/Apache-2.0.html
s:keywords: trees, lidar
s:citation: https://doi.org/10.5281/zenodo.1234567
s:codeRepository: <tmp>/ada/trees
s:commitHash: dbc5b72ecaeede8c084c1ab60e557120d0e40560
s:dateCreated: "2026-01-31"
s:softwareHelp:
  class: s:CreativeWork
  s:name: documentation
  s:url: https://trees.example.org/manual
s:funding: Grant 12
s:sensors:
  - GEDI
  - ICESat-2
s:name: Tree height
s:description: Height of trees from lidar
$graph:
  - class: Workflow
    id: tree-height-scatter
    label: Tree height
    doc: Height of trees from lidar
    requirements:
      ScatterFeatureRequirement: {}
    inputs:
      granules:
        type: Directory[]
        label: granules
        doc: |
          A folder with a STAC catalog, catalog.json.
          A list; the process runs once for each item.
      threshold:
        type: float
        label: threshold
        doc: threshold
        default: 3
      output_template:
        type: string?
        label: path of the executed notebook
        doc: A jinja2 template with args.timestamp, args.year, args.month, args.day, args.notebook_name and the inputs, relative to output/; without it the notebook keeps its name.
    steps:
      run:
        label: Tree height
        doc: Runs process.ipynb in its image.
        run: '#process'
        in:
          granules: granules
          threshold: threshold
          output_template: output_template
        out: [results, output_dir]
        scatter: [granules]
        scatterMethod: dotproduct
    outputs:
      results:
        type: Directory[]
        label: results
        doc: |
          results
          A list, in the order of the items.
        outputSource: run/results
      output_dir:
        type: Directory[]
        label: results
        doc: |
          All files that the run wrote, with a STAC catalog of them in catalog.json.
          A list, in the order of the items.
        outputSource: run/output_dir
  - class: CommandLineTool
    id: process
    label: Tree height
    doc: Height of trees from lidar
    requirements:
      DockerRequirement:
        dockerPull: ada.trees:main-dbc5b72ecaee-0123456789abcdef
      InitialWorkDirRequirement:
        listing:
          - entryname: inputs.json
            entry: $(inputs)
      ResourceRequirement:
        coresMin: 4
        coresMax: 4
        ramMin: 6144
        ramMax: 6144
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
      - --catalog
      - tree-height
      - --all-outputs
    inputs:
      granules:
        type: Directory
        label: granules
        doc: A folder with a STAC catalog, catalog.json.
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
        type: Directory
        label: results
        doc: results
        outputBinding:
          glob: output/out
      output_dir:
        type: Directory
        label: results
        doc: All files that the run wrote, with a STAC catalog of them in catalog.json.
        outputBinding:
          glob: output
