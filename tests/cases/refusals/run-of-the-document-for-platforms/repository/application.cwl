cwlVersion: v1.2
