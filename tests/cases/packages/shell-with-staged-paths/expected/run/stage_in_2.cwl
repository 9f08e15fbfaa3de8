cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
  cwltool: http://commonwl.org/cwltool#
class: CommandLineTool
id: stage_in_2
label: fetches files from anywhere
doc: A step around run.sh, run by packmill-runner in packmill's staging image.
s:softwareVersion: "main"
requirements:
  DockerRequirement:
    dockerPull: localhost/packmill/staging:0-000000000000
  InitialWorkDirRequirement:
    listing:
      - entryname: stage_in.json
        entry: $(inputs)
        writable: true
      - entryname: .packmill-credentials
        entry: $(inputs.credentials)
        writable: true
      - entryname: cache
        entry: $(inputs.cache_dir)
        writable: true
  NetworkAccess:
    networkAccess: true
  ResourceRequirement:
    coresMin: 1
    coresMax: 1
    ramMin: 512
    ramMax: 1024
    outdirMin: 1024
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
  WorkReuse:
    enableReuse: false
hints:
  cwltool:Secrets:
    secrets: [credentials]
  InplaceUpdateRequirement:
    inplaceUpdate: true
baseCommand: [/opt/packmill/bin/packmill-runner, stage-in]
arguments:
  - --inputs
  - stage_in.json
inputs:
  input_path:
    type:
      - 'null'
      - string
      - File
      - Directory
      - '#stage_in_2/S3'
      - '#stage_in_2/Role'
      - '#stage_in_2/DAAC'
      - '#stage_in_2/MAAP'
      - '#stage_in_2/MAAP_HTTP'
      - '#stage_in_2/STAC'
      - '#stage_in_2/Local'
      - '#stage_in_2/HTTP'
      - '#stage_in_2/S3_unsigned'
      - type: array
        items: [string, File, Directory, '#stage_in_2/S3', '#stage_in_2/Role', '#stage_in_2/DAAC', '#stage_in_2/MAAP', '#stage_in_2/MAAP_HTTP', '#stage_in_2/STAC', '#stage_in_2/Local', '#stage_in_2/HTTP', '#stage_in_2/S3_unsigned']
    label: 'what to fetch: a URL, a record, or a list'
    doc: 'what to fetch: a URL, a record, or a list'
  name:
    type: string?
    label: the input that it is for
    doc: the input that it is for
  as_type:
    type: string?
    label: 'the type to fetch it as: File[], File, Directory or Directory[]'
    doc: 'the type to fetch it as: File[], File, Directory or Directory[]'
  cache_dir:
    type: Directory?
    label: contents of earlier runs; is added to
    doc: contents of earlier runs; is added to
  cache_from_step:
    type: boolean?
    label: an earlier step created the cache
    doc: an earlier step created the cache
    default: false
  cache_only:
    type: boolean?
    label: fill the cache and nothing else
    doc: fill the cache and nothing else
    default: false
  credentials:
    type: string?
    label: secrets, as JSON or YAML
    doc: A mapping with aws_access_key_id, aws_secret_access_key, aws_session_token, username, password, token or maap_pgt, for records that do not have them; and mappings of the same for single inputs, by name.
  config_dir:
    type: Directory?
    label: a folder of configuration
    doc: AWS's config and credentials, .netrc, known_hosts, id_ed25519, google.json, azure.json, ca.pem; each optional.
outputs:
  output_files:
    type: File[]?
    label: the files, in their order
    doc: the files, in their order
  output_file:
    type: File?
    label: the file, when there is one
    doc: the file, when there is one
  output_directory:
    type: Directory?
    label: the files as a folder with a catalog.json
    doc: the files as a folder with a catalog.json
  output_directories:
    type: Directory[]?
    label: a folder for each item of the list
    doc: a folder for each item of the list
  cache_out:
    type: Directory?
    label: the cache, for the next step
    doc: the cache, for the next step
  cache_new:
    type: Directory?
    label: the cache, when none was given and one was asked for
    doc: the cache, when none was given and one was asked for
  cache_is_new:
    type: boolean?
    label: whether a step of this run created the cache
    doc: whether a step of this run created the cache
