;; Traps before it can be asked anything.
(component
  (core module $m
    (func $start unreachable)
    (start $start))
  (core instance (instantiate $m)))
