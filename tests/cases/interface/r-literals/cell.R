x <- 12.5
n = 5L
s <- "a"
flag <- TRUE
off <- F
nothing <- NULL # type: int
xs <- c(1, 2,
        3)
names <- c("a", "b") # the names
l <- list(a = 1, b = "x")
my.name <- 'dotted'
out <- "plot.png" # type: stage-out
