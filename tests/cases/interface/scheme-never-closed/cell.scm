(define a 1)
(define b (list 1 2)
(define c 3)
