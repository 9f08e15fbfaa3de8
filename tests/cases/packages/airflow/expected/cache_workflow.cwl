cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
  cwltool: http://commonwl.org/cwltool#
class: Workflow
id: cache_workflow
label: cache for Count words
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
  StepInputExpressionRequirement: {}
hints:
  cwltool:Secrets:
    secrets: [credentials]
inputs:
  scene:
    type:
      - string
      - File
      - Directory
      - '#cache_workflow/S3'
      - '#cache_workflow/Role'
      - '#cache_workflow/DAAC'
      - '#cache_workflow/MAAP'
      - '#cache_workflow/MAAP_HTTP'
      - '#cache_workflow/STAC'
      - '#cache_workflow/Local'
      - '#cache_workflow/HTTP'
      - '#cache_workflow/S3_unsigned'
      - type: array
        items: [string, File, Directory, '#cache_workflow/S3', '#cache_workflow/Role', '#cache_workflow/DAAC', '#cache_workflow/MAAP', '#cache_workflow/MAAP_HTTP', '#cache_workflow/STAC', '#cache_workflow/Local', '#cache_workflow/HTTP', '#cache_workflow/S3_unsigned']
    label: scene
    doc: 'Staged in as File: a URL, a record, a File, or a list of these.'
  tiles:
    type:
      - string
      - File
      - Directory
      - '#cache_workflow/S3'
      - '#cache_workflow/Role'
      - '#cache_workflow/DAAC'
      - '#cache_workflow/MAAP'
      - '#cache_workflow/MAAP_HTTP'
      - '#cache_workflow/STAC'
      - '#cache_workflow/Local'
      - '#cache_workflow/HTTP'
      - '#cache_workflow/S3_unsigned'
      - type: array
        items: [string, File, Directory, '#cache_workflow/S3', '#cache_workflow/Role', '#cache_workflow/DAAC', '#cache_workflow/MAAP', '#cache_workflow/MAAP_HTTP', '#cache_workflow/STAC', '#cache_workflow/Local', '#cache_workflow/HTTP', '#cache_workflow/S3_unsigned']
    label: tiles
    doc: 'Staged in as File[]: a URL, a record, a File, or a list of these.'
  places:
    type:
      - string
      - File
      - Directory
      - '#cache_workflow/S3'
      - '#cache_workflow/Role'
      - '#cache_workflow/DAAC'
      - '#cache_workflow/MAAP'
      - '#cache_workflow/MAAP_HTTP'
      - '#cache_workflow/STAC'
      - '#cache_workflow/Local'
      - '#cache_workflow/HTTP'
      - '#cache_workflow/S3_unsigned'
      - type: array
        items: [string, File, Directory, '#cache_workflow/S3', '#cache_workflow/Role', '#cache_workflow/DAAC', '#cache_workflow/MAAP', '#cache_workflow/MAAP_HTTP', '#cache_workflow/STAC', '#cache_workflow/Local', '#cache_workflow/HTTP', '#cache_workflow/S3_unsigned']
    label: places
    doc: 'Staged in as Directory: a URL, a record, a File, or a list of these.'
  cache_dir:
    type: Directory?
    label: the cache to add to; a new one when not given
    doc: the cache to add to; a new one when not given
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
      cache_only:
        default: true
      credentials: credentials
      config_dir: config_dir
    out: [cache_new, cache_out, cache_is_new]
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
      cache_from_step: stage_in_scene/cache_is_new
      cache_only:
        default: true
      credentials: credentials
      config_dir: config_dir
    out: [cache_new, cache_out, cache_is_new]
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
      cache_from_step: stage_in_tiles/cache_is_new
      cache_only:
        default: true
      credentials: credentials
      config_dir: config_dir
    out: [cache_new, cache_out, cache_is_new]
outputs:
  cache_out:
    type: Directory?
    label: the cache, unless it is an existing one that the engine updates in place
    doc: the cache, unless it is an existing one that the engine updates in place
    outputSource: stage_in_places/cache_new
