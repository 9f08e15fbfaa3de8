cwlVersion: v1.2
class: CommandLineTool
id: process
requirements:
  DockerRequirement:
    dockerPull: eve.trees:main
baseCommand: [packmill-runner, run]
inputs:
  options: {type: Any?}
  table: {type: File?}
outputs: {}
