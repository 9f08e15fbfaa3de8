cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
s:version: main
s:softwareVersion: main
s:codeRepository: <tmp>/ada/trees
s:commitHash: 7f623c1036c95dec632b946e35be4ac1a5e2a75c
s:dateCreated: "2026-02-03"
s:name: process
s:description: Runs process.ipynb of <tmp>/ada/trees at commit 7f623c1036c95dec632b946e35be4ac1a5e2a75c.
$graph:
  - class: Workflow
    id: ada.trees.main
    label: process
    doc: Runs process.ipynb of <tmp>/ada/trees at commit 7f623c1036c95dec632b946e35be4ac1a5e2a75c.
    inputs:
      start:
        type: string
        label: start
        doc: |
          first day
          A date from 2015-06-23 to today, by default today-5d when the run starts (UTC).
        default: today-5d
      end:
        type: string
        label: end
        doc: A date such as 2020-01-31 or today-5d.
        default: '2020-01-31'
      when:
        type: string
        label: when
        doc: A date and time such as 2020-01-31T12:00:00Z or now-6h.
        default: '2020-01-31T12:00:00'
      stamp:
        type: string
        label: stamp
        doc: A date and time such as 2020-01-31T12:00:00Z or now-6h.
        default: '2020-01-31T12:00:00Z'
      'n':
        type: int
        label: 'n'
        doc: From 1 to 10 K.
        default: 3
      speed:
        type: float
        label: speed
        doc: |
          of the wind
          Above 0 m s-1.
        default: 2.5
      area:
        type: double[]
        label: area
        doc: A bounding box [west, south, east, north] in degrees.
        default: [-10.5, 36, -6, 42.2]
      aoi:
        type: string
        label: aoi
        doc: GeoJSON.
        default: '{"type": "Feature", "id": "f1", "geometry": {"type": "Point", "coordinates": [-9.1, 38.7]}, "properties": {}}'
      text:
        type: string
        label: text
        doc: GeoJSON.
        default: '{"type": "Point", "coordinates": [-9.1, 38.7]}'
      file:
        type: File?
        label: file
        doc: GeoJSON.
      days:
        type: string[]
        label: days
        doc: A date such as 2020-01-31 or today-5d.
        default: ['2020-01-01']
      name:
        type: string
        label: name
        doc: Of 1 to 5 characters.
        default: abc
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
          start: start
          end: end
          when: when
          stamp: stamp
          'n': 'n'
          speed: speed
          area: area
          aoi: aoi
          text: text
          file: file
          days: days
          name: name
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
    doc: Runs process.ipynb of <tmp>/ada/trees at commit 7f623c1036c95dec632b946e35be4ac1a5e2a75c.
    requirements:
      DockerRequirement:
        dockerPull: ada.trees:main-7f623c1036c9-0123456789abcdef
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
      - --catalog
      - ada.trees.main
    inputs:
      start:
        type: string
        label: start
        doc: |
          first day
          A date from 2015-06-23 to today, by default today-5d when the run starts (UTC).
        default: today-5d
      end:
        type: string
        label: end
        doc: A date such as 2020-01-31 or today-5d.
        default: '2020-01-31'
      when:
        type: string
        label: when
        doc: A date and time such as 2020-01-31T12:00:00Z or now-6h.
        default: '2020-01-31T12:00:00'
      stamp:
        type: string
        label: stamp
        doc: A date and time such as 2020-01-31T12:00:00Z or now-6h.
        default: '2020-01-31T12:00:00Z'
      'n':
        type: int
        label: 'n'
        doc: From 1 to 10 K.
        default: 3
      speed:
        type: float
        label: speed
        doc: |
          of the wind
          Above 0 m s-1.
        default: 2.5
      area:
        type: double[]
        label: area
        doc: A bounding box [west, south, east, north] in degrees.
        default: [-10.5, 36, -6, 42.2]
      aoi:
        type: string
        label: aoi
        doc: GeoJSON.
        default: '{"type": "Feature", "id": "f1", "geometry": {"type": "Point", "coordinates": [-9.1, 38.7]}, "properties": {}}'
      text:
        type: string
        label: text
        doc: GeoJSON.
        default: '{"type": "Point", "coordinates": [-9.1, 38.7]}'
      file:
        type: File?
        label: file
        doc: GeoJSON.
      days:
        type: string[]
        label: days
        doc: A date such as 2020-01-31 or today-5d.
        default: ['2020-01-01']
      name:
        type: string
        label: name
        doc: Of 1 to 5 characters.
        default: abc
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
