cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
  cwltool: http://commonwl.org/cwltool#
class: Workflow
id: workflow
label: tree-height
doc: |
  Height of trees.
  In metres.
s:version: "3.1"
s:softwareVersion: "3.1"
s:author:
  - class: s:Person
    s:name: Ada
s:keywords: trees, lidar
s:codeRepository: <tmp>/ada/trees
s:commitHash: 28f1af6a415b66c5467637b0a351d35af0c7db70
s:dateCreated: "2026-02-03"
s:queue: some-queue
requirements:
  SchemaDefRequirement:
    types:
      - name: STAK
        type: record
        doc: S3 with short-lived keys
        fields:
          s3_url:
            type: string
            doc: s3://bucket/folder
          aws_access_key_id:
            type: string
          aws_secret_access_key:
            type: string
          aws_session_token:
            type: ['null', string]
          region_name:
            type: ['null', string]
          endpoint_url:
            type: ['null', string]
      - name: LTAK
        type: record
        doc: S3 with the keys of a configuration folder
        fields:
          s3_url:
            type: string
            doc: s3://bucket/folder
          aws_config:
            type: Directory
            doc: a folder with AWS's config and credentials files
          profile:
            type: ['null', string]
          region_name:
            type: ['null', string]
          endpoint_url:
            type: ['null', string]
      - name: IAM
        type: record
        doc: S3 as the machine's own role
        fields:
          s3_url:
            type: string
            doc: s3://bucket/folder
          region_name:
            type: ['null', string]
          endpoint_url:
            type: ['null', string]
      - name: URL
        type: record
        doc: 'any other store: gs, abfs, ftp, sftp, file'
        fields:
          url:
            type: string
      - name: Folder
        type: record
        doc: a folder among the outputs
        fields:
          folder:
            type: string
      - name: OGC
        type: record
        doc: a folder among the outputs with a STAC catalog, as OGC 20-089 has it
        fields:
          directory:
            type: string
      - name: FolderPath
        type: record
        doc: the earlier form of Folder
        fields:
          path:
            type: string
  StepInputExpressionRequirement: {}
hints:
  cwltool:Secrets:
    secrets: [credentials]
inputs:
  tile:
    type: File
    label: tile
    doc: the tile
  year:
    type: int
    label: year
    doc: year
    default: 2020
  when:
    type: string
    label: when
    doc: when
    default: '2020-01-01'
  version:
    type: string
    label: version
    doc: version
    default: '1.10'
  codes:
    type: string[]
    label: codes
    doc: codes
    default: ['012', '1e3', 'yes']
  note:
    type: string?
    label: note
    doc: note
  stage_out:
    type:
      - 'null'
      - string
      - '#workflow/STAK'
      - '#workflow/LTAK'
      - '#workflow/IAM'
      - '#workflow/URL'
      - '#workflow/Folder'
      - '#workflow/OGC'
      - '#workflow/FolderPath'
    label: 'where the results go: a URL or a record'
    doc: 'where the results go: a URL or a record'
  stac_catalog:
    type: boolean?
    label: write a STAC catalog of the results, too
    doc: write a STAC catalog of the results, too
  credentials:
    type: string?
    label: secrets, as JSON or YAML
    doc: A mapping with aws_access_key_id, aws_secret_access_key, aws_session_token, username, password, token or maap_pgt, for records that do not have them; and mappings of the same for single inputs, by name.
  config_dir:
    type: Directory?
    label: a folder of configuration
    doc: AWS's config and credentials, .netrc, known_hosts, id_ed25519, google.json, azure.json, ca.pem; each optional.
steps:
  process:
    label: tree-height
    doc: |
      Height of trees.
      In metres.
    run: process.cwl
    in:
      tile: tile
      year: year
      when: when
      version: version
      codes: codes
      note: note
    out: [heights.tif, out, output_dir]
  stage_out_results:
    label: stage out the results
    doc: stage out the results
    run: stage_out.cwl
    in:
      output_path:
        source: stage_out
        valueFrom: $(self)
      output_dir: process/output_dir
      include:
        default:
          - heights.tif
          - tiles
      stac_catalog: stac_catalog
      name:
        default: ada.trees.main.dps-run
      credentials: credentials
      config_dir: config_dir
    out: [staged, staged_dir]
outputs:
  heights.tif:
    type: File?
    label: heights.tif
    doc: heights.tif
    outputSource: process/heights.tif
  out:
    type: Directory?
    label: out
    doc: out
    outputSource: process/out
  output_dir:
    type: Directory
    label: everything that the run left
    doc: everything that the run left
    outputSource: process/output_dir
  staged:
    type: File
    label: what went where, as JSON
    doc: what went where, as JSON
    outputSource: stage_out_results/staged
  staged_dir:
    type: Directory?
    label: the destination, when it is a folder of the outputs
    doc: the destination, when it is a folder of the outputs
    outputSource: stage_out_results/staged_dir
