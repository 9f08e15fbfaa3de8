cwlVersion: v1.2
class: CommandLineTool
id: process
baseCommand: [packmill-runner, run]
inputs:
  options: {type: Any?}
  table: {type: File?}
outputs: {}
