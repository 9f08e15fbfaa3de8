cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
  cwltool: http://commonwl.org/cwltool#
class: Workflow
id: cache_workflow
label: cache for A bit of everything
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
    doc: the scene
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
    outputSource: stage_in_scene/cache_new
