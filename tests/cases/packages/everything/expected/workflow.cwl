cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
  cwltool: http://commonwl.org/cwltool#
class: Workflow
id: workflow
label: A bit of everything
doc: Runs process.ipynb of <tmp>/ada/trees at commit 79289bbd37db5f3948b108a43cca254e84ca7d99.
s:version: "main"
s:softwareVersion: "main"
s:codeRepository: <tmp>/ada/trees
s:commitHash: 79289bbd37db5f3948b108a43cca254e84ca7d99
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
    doc: the scene
  flag:
    type: boolean
    label: flag
    doc: flag
    default: true
  nothing:
    type: Any?
    label: nothing
    doc: nothing
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
    type: Any
    label: options
    doc: options
    default: {a: 1, b: [true, null]}
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
    doc: the scene
    run: stage_in.cwl
    in:
      input_path:
        source: scene
        valueFrom: $(self)
      name:
        default: scene
      as_type:
        default: File[]
      cache_dir: cache_dir
      credentials: credentials
      config_dir: config_dir
    out: [output_files, cache_out]
  process:
    label: A bit of everything
    doc: Runs process.ipynb of <tmp>/ada/trees at commit 79289bbd37db5f3948b108a43cca254e84ca7d99.
    run: process.cwl
    in:
      threshold: threshold
      name: name
      count: count
      scene:
        source: stage_in_scene/output_files
        valueFrom: $(self)
      flag: flag
      nothing: nothing
      offset: offset
      shift: shift
      numbers: numbers
      options: options
      words: words
      typed: typed
      output_template: output_template
    out: [picture, log, folder, output_nb, scraps, scrap_files, output_dir]
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
          - image.png
          - wildcard_*.log
          - tiles
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
  log:
    type: File[]
    label: log
    doc: all logs
    outputSource: process/log
  folder:
    type: Directory?
    label: folder
    doc: folder
    outputSource: process/folder
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
