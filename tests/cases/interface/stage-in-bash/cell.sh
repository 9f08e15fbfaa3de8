a=in/ # type: stage-in
b="x.tif" # type: stage-in
c= # type: stage-in
