;; Computes for ever before it can be asked anything.
(component
  (core module $m
    (func $start (loop br 0))
    (start $start))
  (core instance (instantiate $m)))
