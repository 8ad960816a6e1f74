// Package crosscheck holds tests that compare the TL engine with gotd/td's types. They live apart because compiling those
// types takes long, and fuzzing the tl command would compile them once more.
package crosscheck
