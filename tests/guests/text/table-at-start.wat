;; Lets a table grow until it gets no more, and traps then.
(component
  (core module $m
    (table $t 1 funcref)
    (func $start
      (loop
        (br_if 0 (i32.ne (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1))))
      unreachable)
    (start $start))
  (core instance (instantiate $m)))
