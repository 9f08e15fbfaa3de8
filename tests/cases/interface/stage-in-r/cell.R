a <- "in/" # type: stage-in
b <- list(path = "x") # type: stage-in
c <- c("x", "y") # type: stage-in
d <- NULL # type: stage-in
