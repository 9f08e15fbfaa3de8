cwlVersion: v1.2
class: CommandLineTool
id: process
requirements:
  DockerRequirement:
    dockerPull: ada.trees:main
baseCommand: [packmill-runner, run]
inputs:
  options: {type: Any?}
  table: {type: File?}
outputs: {}
