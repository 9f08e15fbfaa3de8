; the scene
(define n 3) ; type: int how many
(define share -0.5)
(define city "it's \"Lisbon\"") ; type: string
(define flag #t)
(define xs '(1 2 3))
(define names (list "a" "b c")) ; type: string[]
(define empty '())
(define over "one
two")
#| (define hidden 1) |#
(define picture "image.png") ; type: stage-out
(define
  nested ; a doc
  (list 1 (list #f "x")))
