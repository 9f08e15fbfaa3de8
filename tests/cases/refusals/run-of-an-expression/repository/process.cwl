cwlVersion: v1.2
class: CommandLineTool
id: process
requirements:
  DockerRequirement:
    dockerPull: ada.trees:main
baseCommand: [packmill-runner, run]
arguments: [$(inputs.options)]
inputs:
  options: {type: Any?}
  table: {type: File?}
outputs: {}
