;; Declares a table that no host would make.
(component
  (core module $m
    (table 100000000 funcref))
  (core instance (instantiate $m)))
