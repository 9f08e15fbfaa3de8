cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
  cwltool: http://commonwl.org/cwltool#
class: CommandLineTool
id: stage_out
label: delivers results to a destination
doc: A step around run.sh, run by packmill-runner in packmill's staging image.
s:softwareVersion: "main"
requirements:
  DockerRequirement:
    dockerPull: localhost/packmill/staging:0-000000000000
  InitialWorkDirRequirement:
    listing:
      - entryname: stage_out.json
        entry: $(inputs)
        writable: true
      - entryname: .packmill-credentials
        entry: $(inputs.credentials)
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
  WorkReuse:
    enableReuse: false
hints:
  cwltool:Secrets:
    secrets: [credentials]
baseCommand: [/opt/packmill/bin/packmill-runner, stage-out]
arguments:
  - --inputs
  - stage_out.json
inputs:
  output_path:
    type:
      - 'null'
      - string
      - '#stage_out/STAK'
      - '#stage_out/LTAK'
      - '#stage_out/IAM'
      - '#stage_out/URL'
      - '#stage_out/Folder'
      - '#stage_out/OGC'
      - '#stage_out/FolderPath'
    label: 'where to: a URL or a record; nowhere when not given'
    doc: 'where to: a URL or a record; nowhere when not given'
  output_dir:
    type: Directory
    label: everything that the run left
    doc: everything that the run left
  include:
    type: string[]?
    label: patterns of the files to deliver; all when not given
    doc: patterns of the files to deliver; all when not given
  stac_catalog:
    type: boolean?
    label: write a STAC catalog, too
    doc: write a STAC catalog, too
  name:
    type: string?
    label: the catalog's id
    doc: the catalog's id
  credentials:
    type: string?
    label: secrets, as JSON or YAML
    doc: A mapping with aws_access_key_id, aws_secret_access_key, aws_session_token, username, password, token or maap_pgt, for records that do not have them; and mappings of the same for single inputs, by name.
  config_dir:
    type: Directory?
    label: a folder of configuration
    doc: AWS's config and credentials, .netrc, known_hosts, id_ed25519, google.json, azure.json, ca.pem; each optional.
outputs:
  staged:
    type: File
    label: what went where, as JSON
    doc: what went where, as JSON
  staged_dir:
    type: Directory?
    label: the destination, when it is a folder of the outputs
    doc: the destination, when it is a folder of the outputs
