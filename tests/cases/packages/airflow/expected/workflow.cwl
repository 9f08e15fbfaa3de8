cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
  cwltool: http://commonwl.org/cwltool#
class: Workflow
id: workflow
label: Count words
doc: Counts the words of a text, which is '''quoted''' and "quoted" and has a back\slash.
s:version: "main"
s:softwareVersion: "main"
s:codeRepository: <tmp>/ada/trees
s:commitHash: 7ff3e48c371b70aaa011331f7c2ab229c7f62e06
s:dateCreated: "2026-02-03"
requirements:
  SchemaDefRequirement:
    types:
      - name: S3
        type: record
        doc: S3 with keys
        fields:
          s3_url:
            type: [string, 'string[]']
            doc: s3://bucket/key, or s3://bucket/folder/ for all below it
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
      - name: Role
        type: record
        doc: S3 as a role, or by a profile of AWS's configuration
        fields:
          s3_url:
            type: [string, 'string[]']
            doc: s3://bucket/key, or s3://bucket/folder/ for all below it
          role_arn:
            type: ['null', string]
          source_profile:
            type: ['null', string]
          aws_config:
            type: ['null', Directory]
            doc: a folder with AWS's config and credentials files
          region_name:
            type: ['null', string]
          endpoint_url:
            type: ['null', string]
      - name: DAAC
        type: record
        doc: a NASA archive behind Earthdata login
        fields:
          url:
            type: [string, 'string[]']
          username:
            type: ['null', string]
          password:
            type: ['null', string]
          token:
            type: ['null', string]
            doc: an Earthdata bearer token in place of a password
          login_host:
            type: ['null', string]
            doc: the login server, urs.earthdata.nasa.gov when it is not given
      - name: MAAP
        type: record
        doc: granules that a CMR search finds
        fields:
          collection_id:
            type: string
            doc: concept id of the collection
          granule_name:
            type: [string, 'string[]']
          maap_pgt:
            type: ['null', string]
            doc: MAAP's proxy granting ticket
          cmr_host:
            type: ['null', string]
            doc: cmr.earthdata.nasa.gov when it is not given
      - name: MAAP_HTTP
        type: record
        doc: HTTP with MAAP's ticket
        fields:
          url:
            type: [string, 'string[]']
          maap_pgt:
            type: ['null', string]
            doc: MAAP's proxy granting ticket
      - name: STAC
        type: record
        doc: assets of a STAC Item, Collection or Catalog
        fields:
          stac_url:
            type: [string, 'string[]']
          assets:
            type: ['null', 'string[]']
            doc: keys of the assets to fetch; all when not given
          roles:
            type: ['null', 'string[]']
            doc: roles of the assets to fetch
      - name: Local
        type: record
        doc: files at hand
        fields:
          path:
            type: [File, 'File[]', Directory]
      - name: HTTP
        type: record
        doc: HTTP and HTTPS; also gs, abfs, ftp, sftp
        fields:
          url:
            type: [string, 'string[]']
          checksum:
            type: ['null', string]
            doc: such as sha256:…, md5:… or a multihash
      - name: S3_unsigned
        type: record
        doc: S3 for everyone
        fields:
          s3_url:
            type: [string, 'string[]']
            doc: s3://bucket/key, or s3://bucket/folder/ for all below it
          region_name:
            type: ['null', string]
          endpoint_url:
            type: ['null', string]
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
    type:
      - string
      - File
      - Directory
      - '#workflow/S3'
      - '#workflow/Role'
      - '#workflow/DAAC'
      - '#workflow/MAAP'
      - '#workflow/MAAP_HTTP'
      - '#workflow/STAC'
      - '#workflow/Local'
      - '#workflow/HTTP'
      - '#workflow/S3_unsigned'
      - type: array
        items: [string, File, Directory, '#workflow/S3', '#workflow/Role', '#workflow/DAAC', '#workflow/MAAP', '#workflow/MAAP_HTTP', '#workflow/STAC', '#workflow/Local', '#workflow/HTTP', '#workflow/S3_unsigned']
    label: scene
    doc: 'Staged in as File: a URL, a record, a File, or a list of these.'
  tiles:
    type:
      - string
      - File
      - Directory
      - '#workflow/S3'
      - '#workflow/Role'
      - '#workflow/DAAC'
      - '#workflow/MAAP'
      - '#workflow/MAAP_HTTP'
      - '#workflow/STAC'
      - '#workflow/Local'
      - '#workflow/HTTP'
      - '#workflow/S3_unsigned'
      - type: array
        items: [string, File, Directory, '#workflow/S3', '#workflow/Role', '#workflow/DAAC', '#workflow/MAAP', '#workflow/MAAP_HTTP', '#workflow/STAC', '#workflow/Local', '#workflow/HTTP', '#workflow/S3_unsigned']
    label: tiles
    doc: 'Staged in as File[]: a URL, a record, a File, or a list of these.'
  places:
    type:
      - string
      - File
      - Directory
      - '#workflow/S3'
      - '#workflow/Role'
      - '#workflow/DAAC'
      - '#workflow/MAAP'
      - '#workflow/MAAP_HTTP'
      - '#workflow/STAC'
      - '#workflow/Local'
      - '#workflow/HTTP'
      - '#workflow/S3_unsigned'
      - type: array
        items: [string, File, Directory, '#workflow/S3', '#workflow/Role', '#workflow/DAAC', '#workflow/MAAP', '#workflow/MAAP_HTTP', '#workflow/STAC', '#workflow/Local', '#workflow/HTTP', '#workflow/S3_unsigned']
    label: places
    doc: 'Staged in as Directory: a URL, a record, a File, or a list of these.'
  mask:
    type: File?
    label: mask
    doc: a file of the repository
  output_template:
    type: string?
    label: path of the executed notebook
    doc: A jinja2 template with args.timestamp, args.year, args.month, args.day, args.notebook_name and the inputs, relative to output/; without it the notebook keeps its name.
  cache_dir:
    type: Directory?
    label: contents of earlier runs; is added to
    doc: contents of earlier runs; is added to
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
  stage_in_scene:
    label: stage in scene
    doc: stage in scene
    run: stage_in.cwl
    in:
      input_path:
        source: scene
        valueFrom: $(self)
      name:
        default: scene
      as_type:
        default: File
      cache_dir: cache_dir
      credentials: credentials
      config_dir: config_dir
    out: [output_file, cache_out]
  stage_in_tiles:
    label: stage in tiles
    doc: stage in tiles
    run: stage_in_2.cwl
    in:
      input_path:
        source: tiles
        valueFrom: $(self)
      name:
        default: tiles
      as_type:
        default: File[]
      cache_dir: stage_in_scene/cache_out
      credentials: credentials
      config_dir: config_dir
    out: [output_files, cache_out]
  stage_in_places:
    label: stage in places
    doc: stage in places
    run: stage_in_3.cwl
    in:
      input_path:
        source: places
        valueFrom: $(self)
      name:
        default: places
      as_type:
        default: Directory
      cache_dir: stage_in_tiles/cache_out
      credentials: credentials
      config_dir: config_dir
    out: [output_directory, cache_out]
  process:
    label: Count words
    doc: Counts the words of a text, which is '''quoted''' and "quoted" and has a back\slash.
    run: process.cwl
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
      scene:
        source: stage_in_scene/output_file
        valueFrom: $(self)
      tiles:
        source: stage_in_tiles/output_files
        valueFrom: $(self)
      places:
        source: stage_in_places/output_directory
        valueFrom: $(self)
      mask: mask
      output_template: output_template
    out: [picture, logs, deposit, output_nb, scraps, scrap_files, output_dir]
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
          - year.txt
          - '*.log'
          - deposit
          - scraps.json
          - scraps
      stac_catalog: stac_catalog
      name:
        default: ada.trees.main
      credentials: credentials
      config_dir: config_dir
    out: [staged, staged_dir]
outputs:
  picture:
    type: File?
    label: picture
    doc: picture
    outputSource: process/picture
  logs:
    type: File[]
    label: logs
    doc: logs
    outputSource: process/logs
  deposit:
    type: Directory?
    label: deposit
    doc: deposit
    outputSource: process/deposit
  output_nb:
    type: File
    label: executed notebook
    doc: executed notebook
    outputSource: process/output_nb
  scraps:
    type: File
    label: results that the notebook glued
    doc: results that the notebook glued
    outputSource: process/scraps
  scrap_files:
    type: File[]
    label: figures and tables that the notebook glued
    doc: figures and tables that the notebook glued
    outputSource: process/scrap_files
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
