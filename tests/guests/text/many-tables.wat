;; Declares more tables than an instance gets, each within its bound.
(component
  (core module $m
    (table 90000 funcref)
    (table 90000 funcref)
    (table 90000 funcref)
    (table 90000 funcref))
  (core instance (instantiate $m)))
