package app_test

import "unsafe"

// unsafeString shares the memory of b, as a string made of a server's request buffer does.
func unsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
