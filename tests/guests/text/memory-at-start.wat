;; Takes memory, a megabyte at a time, until it gets no more, and traps then.
(component
  (core module $m
    (memory 1)
    (func $start
      (loop
        (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
      unreachable)
    (start $start))
  (core instance (instantiate $m)))
