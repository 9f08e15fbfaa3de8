(define tree-height 3)
(define ok? #t)
(define ../../elsewhere "a.tif") ; type: stage-in
(define .. 1)
(define a\x 1)
(define {x} 1)
(define most 1e999)
