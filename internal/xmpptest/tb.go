package xmpptest

// TB is the part of testing.TB that this package needs. The demo implements it too.
type TB interface {
	Helper()
	// Cleanup registers a function that is called at the end. The last one registered is called first.
	Cleanup(end func())
	// TempDir makes a folder that is removed at the end.
	TempDir() string
	// Fatal and Fatalf report an error and do not return.
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}
