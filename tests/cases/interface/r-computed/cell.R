library(ggplot2)
when <- Sys.time()
y <- c(a = 1)
f <- function(x) {
  inner <- 1
  x
}
z <- x + 1
x$a <- 3
escaped <- "tab\there"
n <- 5 # type: int how many
