x <- 1
if (TRUE) {
  x <- 2
}
f <- function(a) {
  y <- 3
}
library(x = 1)
z <- 4
big <- 1e400
