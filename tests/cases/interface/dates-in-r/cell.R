start <- "2020-01-31"  # type: date
end <- as.Date("2020-02-01")  # type: date
now <- Sys.time()  # type: datetime
bbox <- c(-10.5, 36, -6, 42.2)  # type: bbox
n <- 3L  # type: int[1..10] K
